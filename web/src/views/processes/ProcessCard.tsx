/**
 * One line of the process table on a narrow screen: a card with the name and the most important
 * figures.
 */
import { memo } from "react";
import type { Column } from "../../lib/columns";
import { COLUMN_VIEWS, reasonOf } from "./columns";
import { NameCell } from "./NameCell";
import { lineAttributes, Unknown, type LineProps } from "./ProcessRow";

const FIGURES: readonly Column[] = ["resident_bytes", "virtual_bytes", "requested_per_second", "refused"];
const ON_TOP: ReadonlySet<Column> = new Set(["name", "pid", "user", "trend", "command"]);

/** The sort column comes first. */
export function cardColumns(first: Column | undefined): readonly Column[] {
  if (first === undefined || ON_TOP.has(first)) return FIGURES;
  return [first, ...FIGURES.filter((column) => column !== first)].slice(0, FIGURES.length);
}

export const ProcessCard = memo(function ProcessCard(props: LineProps) {
  const { row, columns, context, members } = props;
  const { t } = context.settings;
  return (
    // The grid handles the keys for all of its rows.
    <div {...lineAttributes(props, "row-card")}>
      <div role="gridcell" className="card-name">
        <NameCell {...props} />
        {members === null && (
          <span className="card-who">
            {row.pid} · {COLUMN_VIEWS.user.cell(row, context)}
          </span>
        )}
        {row.trace !== null && COLUMN_VIEWS.trend.cell(row, context)}
      </div>
      {columns.map((column) => (
        <div key={column} role="gridcell" className={`figure cell-${column}`}>
          <span className="figure-word">{t(`processes.columns.${column}`)}</span>
          <span className="figure-value">{COLUMN_VIEWS[column].cell(row, context) ?? <Unknown why={reasonOf(row, column, context)} />}</span>
        </div>
      ))}
    </div>
  );
});
