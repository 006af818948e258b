/** The header of the process table. A click on a column header sorts by that column. */
import type { Column } from "../../lib/columns";
import { clicked, type Sort } from "../../lib/order";
import { useSettings } from "../../ui/settings";
import { useTip } from "../../ui/Term";
import { COLUMN_VIEWS } from "./columns";

interface HeadProps {
  columns: readonly Column[];
  sort: Sort;
  onSort: (sort: Sort) => void;
}

export function ProcessHead({ columns, sort, onSort }: HeadProps) {
  return (
    <div role="rowgroup" className="head">
      <div role="row" className="row-head" aria-rowindex={1}>
        {columns.map((column) => (
          <HeadCell key={column} column={column} sort={sort} onSort={onSort} />
        ))}
      </div>
    </div>
  );
}

function HeadCell({ column, sort, onSort }: { column: Column; sort: Sort; onSort: (sort: Sort) => void }) {
  const { t } = useSettings();
  const view = COLUMN_VIEWS[column];
  const meaning = view.term === undefined ? t("processes.sortHint") : `${t(`meanings.terms.${view.term}`)} ${t("processes.sortHint")}.`;
  const { attributes, tip } = useTip(meaning);
  const at = sort.findIndex((key) => key.column === column);
  const key = sort[at];
  const state = key === undefined ? "none" : key.descending ? "descending" : "ascending";
  return (
    <div role="columnheader" aria-sort={state} className={`cell cell-${column}${view.isNumber ? " number" : ""}`}>
      <button type="button" onClick={(event) => onSort(clicked(sort, column, event.shiftKey))} {...attributes}>
        <span className={view.term === undefined ? "" : "term"}>{t(`processes.columns.${column}`)}</span>
        <span className="arrow" aria-hidden="true">
          {state === "none" ? "" : state === "descending" ? "▼" : "▲"}
          {at === 1 ? "2" : ""}
        </span>
      </button>
      {tip}
    </div>
  );
}
