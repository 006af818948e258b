/** The toolbar above the process table: search, groups, columns, and the number of processes. */
import type { ChangeEvent, KeyboardEvent } from "react";
import { GROUPINGS, type Grouping } from "../../lib/arrange";
import { isColumn, COLUMNS, type Column } from "../../lib/columns";
import { clicked } from "../../lib/order";
import { useNarrow } from "../../ui/media";
import { useSettings } from "../../ui/settings";
import { ColumnChoice } from "./ColumnChoice";
import type { TableQuery } from "./query";

interface ToolbarProps {
  query: TableQuery;
  columns: readonly Column[];
  /** Number of processes that match the search, out of `known`. */
  shown: number;
  known: number;
  /** Number of further process lifetimes in the history. */
  more: number;
  /** The last query failed, and the rows are older. */
  isFailing: boolean;
  onChange: (part: Partial<TableQuery>) => void;
  isPaused: boolean;
  /** Null if there is nothing to pause. */
  onPause: (() => void) | null;
  onDown: () => void;
}

export function Toolbar({ query, columns, shown, known, more, isFailing, onChange, isPaused, onPause, onDown }: ToolbarProps) {
  const { t } = useSettings();
  const isNarrow = useNarrow();
  return (
    <div className="toolbar">
      <Search search={query.search} onChange={onChange} onDown={onDown} />
      <label className="check">
        <input type="checkbox" data-testid="show-ended" checked={query.ended} onChange={(event) => onChange({ ended: event.target.checked })} />
        {t("processes.showEnded")}
      </label>
      <GroupChoice grouping={query.grouping} onChange={onChange} />
      {isNarrow ? (
        <SortChoice query={query} onChange={onChange} />
      ) : (
        <ColumnChoice shown={columns} isChosen={query.columns !== null} onChoose={(chosen) => onChange({ columns: chosen })} />
      )}
      {onPause !== null && (
        <button type="button" className="pause" data-testid="table-pause" aria-pressed={isPaused} title={t("processes.pauseHint")} onClick={onPause}>
          {t(isPaused ? "processes.goOn" : "processes.pause")}
        </button>
      )}
      <span className="muted toolbar-end" role="status">
        {isFailing && <span className="bad">{t("time.failed")} </span>}
        {shown === known ? t("processes.shown", { count: known }) : t("processes.shownOf", { shown, count: known })}
        {more > 0 && ` · ${t("processes.more", { count: more })}`}
      </span>
    </div>
  );
}

type Change = Pick<ToolbarProps, "onChange">;

function Search({ search, onChange, onDown }: Change & { search: string; onDown: () => void }) {
  const { t } = useSettings();
  // The arrow key moves from the field to the search results.
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    onDown();
  };
  return (
    <input
      type="search"
      data-search=""
      data-testid="process-search"
      placeholder={`${t("processes.search")}  /`}
      aria-label={t("processes.search")}
      value={search}
      onChange={(event: ChangeEvent<HTMLInputElement>) => onChange({ search: event.target.value })}
      onKeyDown={pressed}
    />
  );
}

function GroupChoice({ grouping, onChange }: Change & { grouping: Grouping }) {
  const { t } = useSettings();
  const choose = (event: ChangeEvent<HTMLSelectElement>) => onChange({ grouping: GROUPINGS.find((one) => one === event.target.value) ?? "none" });
  return (
    <label className="field" title={t("processes.groupHint")}>
      {t("processes.group")}
      <select data-testid="group" value={grouping} onChange={choose}>
        {GROUPINGS.map((one) => (
          <option key={one} value={one}>
            {t(`processes.groups.${one}`)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Cards have no column headers to click. */
function SortChoice({ query: { sort }, onChange }: Change & { query: TableQuery }) {
  const { t } = useSettings();
  const first = sort[0];
  const column = first?.column ?? "resident_bytes";
  const choose = ({ target: { value } }: ChangeEvent<HTMLSelectElement>) => isColumn(value) && onChange({ sort: clicked([], value, false) });
  return (
    <span className="field">
      <select data-testid="sort" aria-label={t("processes.sortBy")} value={column} onChange={choose}>
        {COLUMNS.map((one) => (
          <option key={one} value={one}>
            {t(`processes.columns.${one}`)}
          </option>
        ))}
      </select>
      <button type="button" aria-label={t("processes.turnOrder")} onClick={() => onChange({ sort: clicked(sort, column, false) })}>
        {first?.descending ? "▼" : "▲"}
      </button>
    </span>
  );
}
