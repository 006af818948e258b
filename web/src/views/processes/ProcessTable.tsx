/** The table of processes. The document contains only the visible lines, however many there are. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useLayoutEffect, useMemo, useRef, type CSSProperties, type KeyboardEvent } from "react";
import type { Grouping, Line } from "../../lib/arrange";
import type { Column } from "../../lib/columns";
import type { Sort } from "../../lib/order";
import { useLive } from "../../model/store";
import { useNarrow } from "../../ui/media";
import { useIsLive } from "../../ui/router";
import { useSettings } from "../../ui/settings";
import { COLUMN_VIEWS, type CellContext } from "./columns";
import { useHeldOrder } from "./heldOrder";
import { cardColumns, ProcessCard } from "./ProcessCard";
import { ProcessHead } from "./ProcessHead";
import { ProcessRow, rowId } from "./ProcessRow";
import { useSelection } from "./selection";

/** The style sheet contains the same heights. */
const ROW = 26;
const CARD = 68;
const HEAD = 28;
/** Extra width of the names in a tree, which are indented by their depth. */
const DEEP = 70;

interface TableProps {
  lines: readonly Line[];
  columns: readonly Column[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** The user's settings. Lines keep their positions only while these do not change. */
  choice: object;
  grouping?: Grouping;
  /** The process whose panel is open. */
  opened: string | null;
  onOpen: (key: string) => void;
  onToggle?: (key: string) => void;
  pausedAt?: number | null;
  /** Makes the table tall enough for all its lines, instead of scrolling. */
  whole?: boolean;
}

export function ProcessTable(props: TableProps) {
  const { columns, sort, onSort, grouping = "none", whole = false } = props;
  const { t } = useSettings();
  const context = useCellContext(grouping, props.pausedAt ?? null);
  const isNarrow = useNarrow();
  const height = isNarrow ? CARD : ROW;
  const onOpen = useLatest(props.onOpen);
  const onToggle = useLatest(props.onToggle ?? nothing);
  const scroller = useRef<HTMLDivElement>(null);
  const { lines, onPointerDown, onPointerMove } = useHeldOrder(props.lines, props.choice);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: whole ? lines.length : 12,
    scrollPaddingStart: isNarrow ? 0 : HEAD,
  });
  // The virtualiser caches heights, which change when the window becomes narrow or wide.
  useLayoutEffect(() => virtual.measure(), [virtual, height]);
  const { selected, line, moved } = useSelection({ lines, opened: props.opened, scrollTo: (index) => virtual.scrollToIndex(index), onToggle });

  const pressed = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && line !== undefined) (line.members === null ? onOpen : onToggle)(line.key);
    else if (!moved(event.key, Math.floor((scroller.current?.clientHeight ?? 0) / height) - 2)) return;
    event.preventDefault();
  };
  const first = sort[0]?.column;
  const shown = useMemo(() => (isNarrow ? cardColumns(first) : columns), [isNarrow, first, columns]);
  const LineView = isNarrow ? ProcessCard : ProcessRow;
  return (
    // The attributes are valid for both roles, but the rule does not accept a conditional role.
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      ref={scroller}
      role={grouping === "none" ? "grid" : "treegrid"}
      tabIndex={0}
      className={`table${whole ? " table-whole" : ""}`}
      style={isNarrow ? undefined : widths(columns, grouping)}
      data-testid="process-table"
      aria-label={t("processes.label")}
      aria-rowcount={lines.length + 1}
      aria-colcount={shown.length}
      aria-activedescendant={line === undefined ? undefined : rowId(line.key)}
      onKeyDown={pressed}
    >
      {!isNarrow && <ProcessHead columns={columns} sort={sort} onSort={onSort} />}
      {/* Not on the whole table, because a pointer over the header does not aim at a line. */}
      <div role="rowgroup" className="rows" style={{ height: virtual.getTotalSize() }} {...{ onPointerDown, onPointerMove }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const one = lines[index];
          if (one === undefined) return null;
          const { row, level, open, members } = one;
          const isSelected = selected === one.key;
          return <LineView key={one.key} columns={shown} top={start} {...{ row, level, open, members, context, index, onOpen, onToggle }} selected={isSelected} />;
        })}
      </div>
    </div>
  );
}

function nothing(): void {}

/**
 * Returns a function that never changes and calls the latest `act`, so that lines need not be
 * rendered again.
 */
function useLatest(act: (key: string) => void): (key: string) => void {
  const latest = useRef(act);
  useLayoutEffect(() => {
    latest.current = act;
  });
  return useCallback((key) => latest.current(key), []);
}

/** The header and the rows are separate grids, so they need the same template. */
function widths(columns: readonly Column[], grouping: Grouping): CSSProperties {
  const extra = grouping === "tree" ? DEEP : 0;
  const views = columns.map((column) => ({ ...COLUMN_VIEWS[column], width: COLUMN_VIEWS[column].width + (column === "name" ? extra : 0) }));
  const tracks = views.map(({ width, grow }) => (grow === undefined ? `${width}px` : `minmax(${width}px, ${grow}fr)`));
  const least = views.reduce((sum, { width }) => sum + width, 0);
  return { "--columns": tracks.join(" "), "--least": `${least}px` } as CSSProperties;
}

function useCellContext(grouping: Grouping, pausedAt: number | null): CellContext {
  const settings = useSettings();
  const isLive = useIsLive();
  const hostname = useLive((state) => state.live?.host.hostname ?? "");
  const seesRequests = useLive((state) => state.live?.health.source !== "procfs");
  return useMemo(
    () => ({ settings, grouping, hostname, isLive, seesRequests, pausedAt }),
    [settings, grouping, hostname, isLive, seesRequests, pausedAt],
  );
}
