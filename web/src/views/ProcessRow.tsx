/** One row of the process table. */
import { memo, useState, type ReactNode } from "react";
import { columnValue, type Column } from "../lib/processes";
import { processKey, type ProcessKey } from "../model/state";
import type { Process } from "../model/wire";
import { COLUMN_VIEWS, type CellContext } from "./columns";

interface RowProps {
  columns: readonly Column[];
  process: Process;
  context: CellContext;
  index: number;
  top: number;
  selected: boolean;
  onOpen: (key: ProcessKey) => void;
}

export function rowId(key: ProcessKey): string {
  return `row-${key}`;
}

export const ProcessRow = memo(function ProcessRow({ columns, process, context, index, top, selected, onOpen }: RowProps) {
  const key = processKey(process);
  const ended = process.state === "ended" ? " row-ended" : "";
  return (
    // The grid handles the keys for all of its rows.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      role="row"
      id={rowId(key)}
      className={`row${ended}`}
      style={{ transform: `translateY(${top}px)` }}
      aria-rowindex={index + 2}
      aria-selected={selected}
      data-testid="process-row"
      data-pid={process.pid}
      data-state={process.state}
      onClick={() => onOpen(key)}
    >
      {columns.map((column) => (
        <Cell key={column} column={column} process={process} context={context} />
      ))}
    </div>
  );
});

function Cell({ column, process, context }: { column: Column; process: Process; context: CellContext }) {
  const view = COLUMN_VIEWS[column];
  const isHidden = view.fromRequests && !context.seesRequests;
  const tint = useTint(isHidden ? null : columnValue(process, column));
  return (
    <div role="gridcell" className={`cell cell-${column}${view.isNumber ? " number" : ""}${tint}`}>
      {isHidden ? <Hidden why={context.settings.t("processes.notSeen")} /> : view.cell(process, context)}
    </div>
  );
}

function Hidden({ why }: { why: string }): ReactNode {
  return (
    <span className="muted" title={why}>
      –
    </span>
  );
}

/** A class that starts a one-second tint whenever the value changes; two of them in turn, so that it starts again. */
function useTint(value: unknown): string {
  const [shown, setShown] = useState({ value, changes: 0 });
  if (!Object.is(shown.value, value)) setShown({ value, changes: shown.changes + 1 });
  if (shown.changes === 0) return "";
  return shown.changes % 2 === 0 ? " tint-even" : " tint-odd";
}
