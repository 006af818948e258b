/** The table of processes: only the rows in sight are in the document, however many there are. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { hasContainers, shownColumns, type Column, type Sort } from "../lib/processes";
import { processKey, type ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";
import { useMedia } from "../ui/media";
import { useSettings } from "../ui/settings";
import type { CellContext } from "./columns";
import { ProcessHead } from "./ProcessHead";
import { ProcessRow, rowId } from "./ProcessRow";
import { useHeldOrder } from "./heldOrder";

const ROW = 26;
const HEAD = 28;

interface TableProps {
  rows: readonly Process[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** The process whose panel is open. */
  opened: ProcessKey | null;
  onOpen: (key: ProcessKey) => void;
  /** Tall enough for all of its rows, instead of scrolling. */
  whole?: boolean;
}

export function ProcessTable({ rows: ordered, sort, onSort, opened, onOpen, whole = false }: TableProps) {
  const { t } = useSettings();
  const context = useCellContext();
  const columns = useColumns();
  const scroller = useRef<HTMLDivElement>(null);
  const { rows, hold } = useHeldOrder(ordered);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => (rows[index] ? processKey(rows[index]) : index),
    overscan: whole ? rows.length : 12,
    scrollPaddingStart: HEAD,
  });
  const { selected, moved } = useSelection(rows, opened, (index) => virtual.scrollToIndex(index));

  const pressed = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter" && selected !== null) onOpen(selected);
    else if (!moved(event.key, Math.floor((scroller.current?.clientHeight ?? 0) / ROW) - 2)) return;
    event.preventDefault();
  };
  return (
    <div
      ref={scroller}
      role="grid"
      tabIndex={0}
      className={tableClass(columns, whole)}
      data-testid="process-table"
      aria-label={t("processes.label")}
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length}
      aria-activedescendant={selected === null ? undefined : rowId(selected)}
      onKeyDown={pressed}
      onPointerDown={hold}
    >
      <ProcessHead columns={columns} sort={sort} onSort={onSort} />
      <div role="rowgroup" className="rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const process = rows[index];
          if (process === undefined) return null;
          const isSelected = selected === key;
          return <ProcessRow key={key} top={start} {...{ columns, process, context, index, onOpen }} selected={isSelected} />;
        })}
      </div>
    </div>
  );
}

function useColumns(): readonly Column[] {
  const withPlaces = useLive((state) => hasContainers(state.processes.values()));
  const isRoomy = useMedia("(min-width: 1500px)");
  return useMemo(() => shownColumns(withPlaces, isRoomy), [withPlaces, isRoomy]);
}

/** The style sheet knows the width of each column; it is told which of them are there. */
function tableClass(columns: readonly Column[], whole: boolean): string {
  const places = columns.includes("place") ? " with-places" : "";
  const faults = columns.includes("faults") ? " with-faults" : "";
  return `table${whole ? " table-whole" : ""}${places}${faults}`;
}

function useCellContext(): CellContext {
  const settings = useSettings();
  const totalMemory = useLive((state) => state.live?.host.memory.total_bytes ?? 0);
  const seesRequests = useLive((state) => state.live?.health.source !== "procfs");
  return useMemo(() => ({ settings, totalMemory, seesRequests }), [settings, totalMemory, seesRequests]);
}

/** The row that the arrow keys are on. It stays with its process when the order changes. */
function useSelection(rows: readonly Process[], opened: ProcessKey | null, scrollTo: (index: number) => void) {
  const [{ selected, wasOpened }, setSelection] = useState({ selected: opened, wasOpened: opened });
  const setSelected = (key: ProcessKey | null) => setSelection({ selected: key, wasOpened: opened });
  // Opening a process, by a click or by an address, selects its row.
  if (wasOpened !== opened) setSelected(opened ?? selected);

  const moved = (key: string, page: number): boolean => {
    const from = rows.findIndex((process) => processKey(process) === selected);
    const to = target(key, from, rows.length - 1, page);
    const row = to === null ? undefined : rows[to];
    if (to === null || row === undefined) return false;
    setSelected(processKey(row));
    scrollTo(to);
    return true;
  };
  return { selected, moved };
}

function target(key: string, from: number, last: number, page: number): number | null {
  const within = (index: number) => Math.max(0, Math.min(last, index));
  switch (key) {
    case "ArrowDown":
      return within(from + 1);
    case "ArrowUp":
      return within(from - 1);
    case "PageDown":
      return within(from + page);
    case "PageUp":
      return within(from - page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
