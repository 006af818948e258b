/** All processes, live or past: search, groups, the table, and the panel of the open process. */
import { useMemo, useState } from "react";
import { arranged, GROUPINGS, withParents, type Toggled } from "../lib/arrange";
import { findProcesses } from "../lib/processes";
import type { Route } from "../lib/route";
import { useTableRows, type TableRows } from "../live/rows";
import type { ProcessKey } from "../model/state";
import { useKeys } from "../ui/keys";
import { navigate, replaceHash, useHref } from "../ui/router";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { ProcessPanel } from "./ProcessPanel";
import { ProcessTable } from "./processes/ProcessTable";
import { queryText, rememberColumns, useColumns, useTableQuery, type TableQuery } from "./processes/query";
import { Toolbar } from "./processes/Toolbar";

export function ProcessesView({ route }: { route: Route }) {
  const query = useTableQuery(route);
  const table = useTableRows(query.sort);
  const { rows, pausedAt, pause } = usePause(table);
  const { toggled, toggle } = useToggled(query.grouping);
  const { known, shown, lines } = useLines(rows, query, toggled);
  const choice = useMemo(() => ({ query, toggled, pausedAt }), [query, toggled, pausedAt]);
  const columns = useColumns(query.columns, rows);

  const { isWide, hrefOf } = useAddress(route, table.isLive);
  const widen = () => replaceHash(hrefOf(route.process, query, !isWide));
  const open = (key: ProcessKey) => navigate(hrefOf(key, query));
  const close = () => {
    navigate(hrefOf(null, query));
    focusTable();
  };
  const change = (part: Partial<TableQuery>) => {
    if (part.columns !== undefined) rememberColumns(part.columns);
    replaceHash(hrefOf(route.process, { ...query, ...part }));
  };
  useKeys({
    Escape: () => route.process !== null && close(),
    t: () => change({ grouping: query.grouping === "tree" ? "none" : "tree" }),
    g: () => change({ grouping: nextGrouping(query) }),
    " ": () => pause?.(),
  });

  return (
    <div className={route.process === null ? "split" : `split split-open ${isWide ? "split-wide" : ""}`}>
      <section className={table.isOld ? "list list-old" : "list"} aria-busy={table.isOld}>
        <Toolbar
          {...{ query, columns }}
          known={known.length}
          shown={shown.length}
          more={table.more}
          isFailing={table.problem !== null && lines.length > 0}
          onChange={change}
          isPaused={pausedAt !== null}
          onPause={pause}
          onDown={focusTable}
        />
        {lines.length > 0 ? (
          <ProcessTable
            {...{ lines, columns, choice, pausedAt }}
            sort={query.sort}
            onSort={(sort) => change({ sort })}
            grouping={query.grouping}
            opened={route.process}
            onOpen={open}
            onToggle={toggle}
          />
        ) : (
          <NoRows table={table} query={query} onClear={() => change({ search: "" })} />
        )}
      </section>
      {route.process !== null && <ProcessPanel key={route.process} id={route.process} {...{ isWide }} onWide={widen} onClose={close} />}
    </div>
  );
}

/** The processes that may be shown, those that match the search, and the lines of the table. */
function useLines(rows: TableRows["rows"], { search, ended, sort, grouping }: TableQuery, toggled: Toggled) {
  const known = useMemo(() => findProcesses(rows, "", ended), [rows, ended]);
  const shown = useMemo(() => findProcesses(known, search, true), [known, search]);
  const lines = useMemo(
    () => arranged(grouping === "tree" ? withParents(shown, known) : shown, sort, grouping, toggled),
    [shown, known, sort, grouping, toggled],
  );
  return { known, shown, lines };
}

/** Returns whether the panel has the full width, and a function for links that keep it. */
function useAddress({ process: opened, query: own }: Route, isLive: boolean) {
  const href = useHref();
  const isWide = opened !== null && own.get("wide") === "1";
  const hrefOf = (process: ProcessKey | null, query: TableQuery, wide = isWide) =>
    href({ view: "processes", process, query: { ...queryText(query, isLive), wide: wide && process !== null ? "1" : "" } });
  return { isWide, hrefOf };
}

/** The next grouping for the key `g`. The tree has its own key. */
function nextGrouping({ grouping }: TableQuery): TableQuery["grouping"] {
  const groupings = GROUPINGS.filter((one) => one !== "tree");
  return groupings[(groupings.findIndex((one) => one === grouping) + 1) % groupings.length] ?? "none";
}

/** Lines that the user opened or closed. Another grouping starts without any. */
function useToggled(grouping: TableQuery["grouping"]) {
  const [kept, setKept] = useState<{ grouping: string; toggled: Toggled }>({ grouping, toggled: NONE });
  const toggled = kept.grouping === grouping ? kept.toggled : NONE;
  const toggle = (key: string) => {
    const after = new Set(toggled);
    if (!after.delete(key)) after.add(key);
    setKept({ grouping, toggled: after });
  };
  return { toggled, toggle };
}

const NONE: Toggled = new Set();

/** Pauses live data: values and order then do not change. */
function usePause({ rows, isLive }: TableRows) {
  const [held, setHeld] = useState<{ rows: TableRows["rows"]; at: number } | null>(null);
  if (held !== null && !isLive) setHeld(null);
  return {
    rows: held?.rows ?? rows,
    pausedAt: held?.at ?? null,
    pause: isLive ? () => setHeld(held === null ? { rows, at: Date.now() } : null) : null,
  };
}

function focusTable(): void {
  document.querySelector<HTMLElement>("[data-testid=process-table]")?.focus();
}

function NoRows({ table, query: { search }, onClear }: { table: TableRows; query: TableQuery; onClear: () => void }) {
  const { t } = useSettings();
  if (table.problem !== null) return <Say what={t("time.failed")} next={table.problem} />;
  if (table.isAsking || table.isOld) return <Say what={t("time.asking")} next="" />;
  if (!table.isLive && table.rows.length === 0) return <Say what={t("time.nothing")} next={t("time.nothingHint")} />;
  if (search === "") return <Say what={t("processes.empty")} next={t("processes.emptyHint")} />;
  return (
    <Say what={t("processes.noMatch", { search })} next={t("processes.noMatchHint")}>
      <button type="button" onClick={onClear}>
        {t("processes.clearSearch")}
      </button>
    </Say>
  );
}
