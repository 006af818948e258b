/** Parameters of the process table in the address. */
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
  /** Ended processes are shown. */
  ended: boolean;
  grouping: Grouping;
  /** The chosen columns; null for the default ones. */
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
    // By default, past times include the processes that have ended.
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

/** Null restores the default columns. */
export function rememberColumns(columns: readonly Column[] | null): void {
  remember("columns", columns === null ? "" : columnsText(columns));
}

/**
 * The columns to show. The object stays the same while they do not change, so that no line is
 * rendered again.
 */
export function useColumns(chosen: readonly Column[] | null, rows: readonly TableRow[]): readonly Column[] {
  const ordinary = useMemo(() => columnsText(ordinaryColumns(rows)), [rows]);
  const text = chosen === null ? ordinary : columnsText(chosen);
  return useMemo(() => columnsFromText(text) ?? DEFAULT_COLUMNS, [text]);
}
