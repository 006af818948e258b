/** One line of the process table, as a row of cells. */
import { memo, useState, type ReactNode } from "react";
import { columnValue, type Column } from "../../lib/columns";
import type { TableRow } from "../../lib/rows";
import { COLUMN_VIEWS, reasonOf, type CellContext } from "./columns";
import { NameCell } from "./NameCell";

/**
 * Properties of a line. Unchanged values are the same objects, so that only changed lines are
 * rendered again.
 */
export interface LineProps {
  columns: readonly Column[];
  row: TableRow;
  level: number;
  open: boolean | null;
  members: number | null;
  context: CellContext;
  index: number;
  top: number;
  selected: boolean;
  onOpen: (key: string) => void;
  onToggle: (key: string) => void;
}

export function rowId(key: string): string {
  return `row-${key}`;
}

/** Attributes that rows and cards share, for style, keyboard and tests. */
export function lineAttributes({ row, level, open, members, context, index, top, selected, onOpen, onToggle }: LineProps, look: string) {
  const isGroup = members !== null;
  const state = row.end_time === null ? "" : " row-ended";
  return {
    role: "row",
    id: rowId(row.key),
    className: `${look}${state}${isGroup ? " row-group" : ""}`,
    style: { transform: `translateY(${top}px)` },
    "aria-rowindex": index + 2,
    "aria-selected": selected,
    "aria-level": context.grouping === "none" ? undefined : level,
    "aria-expanded": open ?? undefined,
    "data-testid": isGroup ? "process-group" : "process-row",
    "data-pid": row.pid ?? undefined,
    "data-state": row.end_time === null ? "alive" : "ended",
    onClick: () => (isGroup ? onToggle : onOpen)(row.key),
  };
}

export const ProcessRow = memo(function ProcessRow(props: LineProps) {
  return (
    // The grid handles the keys for all of its rows.
    <div {...lineAttributes(props, "row")}>
      {props.columns.map((column) => (
        <Cell key={column} column={column} {...props} />
      ))}
    </div>
  );
});

function Cell({ column, ...line }: LineProps & { column: Column }) {
  const { row, context } = line;
  const view = COLUMN_VIEWS[column];
  const tint = useTint(view.tints ? columnValue(row, column) : null);
  return (
    <div role="gridcell" className={`cell cell-${column}${view.isNumber ? " number" : ""}${tint}`}>
      {column === "name" ? <NameCell {...line} /> : (view.cell(row, context) ?? <Unknown why={reasonOf(row, column, context)} />)}
    </div>
  );
}

export function Unknown({ why }: { why: string }): ReactNode {
  return (
    <span className="muted" title={why}>
      –
    </span>
  );
}

/**
 * A class that starts a one-second highlight when the value changes. Two classes alternate, so that
 * it restarts.
 */
function useTint(value: unknown): string {
  const [shown, setShown] = useState({ value, changes: 0 });
  if (!Object.is(shown.value, value)) setShown({ value, changes: shown.changes + 1 });
  if (shown.changes === 0) return "";
  return shown.changes % 2 === 0 ? " tint-even" : " tint-odd";
}
