/** What the address says of the process table. */
import { useMemo } from "react";
import { GROUPINGS, type Grouping } from "../../lib/arrange";
import { columnsFromText, columnsText, DEFAULT_COLUMNS, ordinaryColumns, type Column } from "../../lib/columns";
import { DEFAULT_SORT, parseSort, PAST_SORT, sortText, type Sort } from "../../lib/order";
import type { Route } from "../../lib/route";
import type { TableRow } from "../../lib/rows";
import { recallText, remember } from "../../ui/memory";
import { useIsLive } from "../../ui/router";

export interface TableQuery {
  search: string;
  sort: Sort;
  /** Whether those that have ended are shown. */
  ended: boolean;
  grouping: Grouping;
  /** Those that were chosen; null: the ordinary ones. */
  columns: readonly Column[] | null;
}

export function useTableQuery({ query }: Route): TableQuery {
  const isLive = useIsLive();
  const text = query.toString();
  return useMemo(() => fromAddress(new URLSearchParams(text), isLive), [text, isLive]);
}

function fromAddress(query: URLSearchParams, isLive: boolean): TableQuery {
  const ended = query.get("ended");
  return {
    search: query.get("q") ?? "",
    sort: parseSort(query.get("sort"), ordinarySort(isLive)),
    // Of the past one wants to see all who lived then.
    ended: ended === null ? !isLive : ended === "true",
    grouping: GROUPINGS.find((one) => one === query.get("group")) ?? "none",
    columns: columnsFromText(query.get("cols")) ?? rememberedColumns(),
  };
}

export function queryText({ search, sort, ended, grouping, columns }: TableQuery, isLive: boolean): Record<string, string> {
  return {
    q: search,
    sort: sortText(sort) === sortText(ordinarySort(isLive)) ? "" : sortText(sort),
    ended: ended === !isLive ? "" : String(ended),
    group: grouping === "none" ? "" : grouping,
    cols: columns === null ? "" : columnsText(columns),
  };
}

export function ordinarySort(isLive: boolean): Sort {
  return isLive ? DEFAULT_SORT : PAST_SORT;
}

export function rememberedColumns(): readonly Column[] | null {
  return columnsFromText(recallText("columns"));
}

/** Null: the ordinary ones again. */
export function rememberColumns(columns: readonly Column[] | null): void {
  remember("columns", columns === null ? "" : columnsText(columns));
}

/** The columns that are shown; the same object while they are the same, so that no line is drawn again for it. */
export function useColumns(chosen: readonly Column[] | null, rows: readonly TableRow[]): readonly Column[] {
  const ordinary = useMemo(() => columnsText(ordinaryColumns(rows)), [rows]);
  const text = chosen === null ? ordinary : columnsText(chosen);
  return useMemo(() => columnsFromText(text) ?? DEFAULT_COLUMNS, [text]);
}
