/** The table of processes: only the lines in sight are in the document, however many there are. */
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

/** The same heights stand in the style sheet. */
const ROW = 26;
const CARD = 68;
const HEAD = 28;
/** What the names of a tree need besides: they stand further to the right the deeper they are. */
const DEEP = 70;

interface TableProps {
  lines: readonly Line[];
  columns: readonly Column[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** What the reader chose to see: the lines keep their places only while that stays the same. */
  choice: object;
  grouping?: Grouping;
  /** The process whose panel is open. */
  opened: string | null;
  onOpen: (key: string) => void;
  onToggle?: (key: string) => void;
  pausedAt?: number | null;
  /** Tall enough for all of its lines, instead of scrolling. */
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
  // The virtualiser keeps the heights that it was told before the window became narrow or wide.
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
    // Only values of its own role, which the rule does not see as there are two.
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
      {/* Not on the whole of the table: over its head nobody aims at a line. */}
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

/** A function that stays the same while what it does may change, so that lines need not be drawn again for it. */
function useLatest(act: (key: string) => void): (key: string) => void {
  const latest = useRef(act);
  useLayoutEffect(() => {
    latest.current = act;
  });
  return useCallback((key) => latest.current(key), []);
}

/** Head and rows are grids of their own, so they are told one common template. */
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
