/** All processes: search, order, table, and the panel of the one that is open. */
import { useMemo, type ChangeEvent, type KeyboardEvent } from "react";
import { DEFAULT_SORT, found, parseSort, sorted, sortText, type Sort } from "../lib/processes";
import type { Route } from "../lib/route";
import type { ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import { useKeys } from "../ui/keys";
import { navigate, replaceHash, useHref } from "../ui/router";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { ProcessPanel } from "./ProcessPanel";
import { ProcessTable } from "./ProcessTable";

/** What the address says of the table. */
interface TableQuery {
  search: string;
  sort: Sort;
  ended: boolean;
}

export function ProcessesView({ route }: { route: Route }) {
  const query = useTableQuery(route);
  const processes = useLive((state) => state.processes);
  const matching = useMemo(
    () => found(processes.values(), query.search, query.ended),
    [processes, query.search, query.ended],
  );
  const rows = useMemo(() => sorted(matching, query.sort), [matching, query.sort]);

  const href = useHref();
  const show = (process: ProcessKey | null) => href({ view: "processes", process, query: queryText(query) });
  const open = (key: ProcessKey) => navigate(show(key));
  const close = () => {
    navigate(show(null));
    focusTable();
  };
  const change = (part: Partial<TableQuery>) =>
    replaceHash(href({ view: "processes", process: route.process, query: queryText({ ...query, ...part }) }));
  useKeys({ Escape: () => route.process !== null && close() });

  return (
    <div className={route.process === null ? "split" : "split split-open"}>
      <section className="list">
        <Toolbar query={query} shown={rows.length} onChange={change} />
        {rows.length > 0 ? (
          <ProcessTable
            rows={rows}
            sort={query.sort}
            onSort={(sort) => change({ sort })}
            opened={route.process}
            onOpen={open}
          />
        ) : (
          <NoRows search={query.search} onClear={() => change({ search: "" })} />
        )}
      </section>
      {route.process !== null && <ProcessPanel key={route.process} id={route.process} onClose={close} />}
    </div>
  );
}

function useTableQuery(route: Route): TableQuery {
  const search = route.query.get("q") ?? "";
  const sort = route.query.get("sort");
  const ended = route.query.get("ended") === "true";
  return useMemo(() => ({ search, sort: parseSort(sort), ended }), [search, sort, ended]);
}

function queryText(query: TableQuery): Record<string, string> {
  const sort = sortText(query.sort);
  return {
    q: query.search,
    sort: sort === sortText(DEFAULT_SORT) ? "" : sort,
    ended: query.ended ? "true" : "",
  };
}

function focusTable(): void {
  document.querySelector<HTMLElement>("[data-testid=process-table]")?.focus();
}

/** From the search field the arrows lead on into what it found. */
function toTable(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  focusTable();
}

interface ToolbarProps {
  query: TableQuery;
  shown: number;
  onChange: (part: Partial<TableQuery>) => void;
}

function Toolbar({ query, shown, onChange }: ToolbarProps) {
  const { t } = useSettings();
  const all = useLive((state) => state.processes.size);
  const alive = useLive(countAlive);
  const known = query.ended ? all : alive;
  return (
    <div className="toolbar">
      <input
        type="search"
        data-search=""
        data-testid="process-search"
        placeholder={`${t("processes.search")}  /`}
        aria-label={t("processes.search")}
        value={query.search}
        onChange={(event: ChangeEvent<HTMLInputElement>) => onChange({ search: event.target.value })}
        onKeyDown={toTable}
      />
      <label className="check">
        <input
          type="checkbox"
          data-testid="show-ended"
          checked={query.ended}
          onChange={(event) => onChange({ ended: event.target.checked })}
        />
        {t("processes.showEnded")}
      </label>
      <span className="muted toolbar-end">
        {shown === known ? t("processes.shown", { count: known }) : t("processes.shownOf", { shown, count: known })}
      </span>
    </div>
  );
}

function countAlive(state: { processes: ReadonlyMap<string, { state: string }> }): number {
  let alive = 0;
  for (const process of state.processes.values()) if (process.state === "alive") alive += 1;
  return alive;
}

function NoRows({ search, onClear }: { search: string; onClear: () => void }) {
  const { t } = useSettings();
  if (search === "") return <Say what={t("processes.empty")} next={t("processes.emptyHint")} />;
  return (
    <Say what={t("processes.noMatch", { search })} next={t("processes.noMatchHint")}>
      <button type="button" onClick={onClear}>
        {t("processes.clearSearch")}
      </button>
    </Say>
  );
}
