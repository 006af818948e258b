/** Rows of the process table, from the live state or from the history. */
import { useMemo } from "react";
import { useHistory } from "./history";
import type { Column } from "../lib/columns";
import type { Sort } from "../lib/order";
import { rowOfLife, rowOfProcess, type TableRow } from "../lib/rows";
import type { Lives, Measure } from "../model/history";
import { paceOf } from "../model/pace";
import { initialState } from "../model/state";
import { useLive } from "../model/store";
import { useIsLive, useRoute } from "../ui/router";

/**
 * Limits of an answer: the maximum for a past range, which is queried once, and fewer for queries
 * that repeat.
 */
const LIMIT = { range: 10_000, live: 2_000 };
const EVERY_MS = 5_000;

export interface TableRows {
  rows: readonly TableRow[];
  isLive: boolean;
  /** The history has not answered yet. */
  isAsking: boolean;
  /** The rows are those of the previous time until the history answers. */
  isOld: boolean;
  /** Error of the last query. */
  problem: string | null;
  /** Number of process lifetimes beyond the limit. */
  more: number;
}

export function useTableRows(sort: Sort): TableRows {
  const isLive = useIsLive();
  const live = useLiveRows(isLive);
  const past = useLives(isLive, sort);
  return isLive ? { rows: live, isLive, isAsking: false, isOld: false, problem: null, more: 0 } : { isLive, ...past };
}

function useLiveRows(isLive: boolean): readonly TableRow[] {
  const processes = useLive((state) => (isLive ? state.processes : initialState.processes));
  const paces = useLive((state) => (isLive ? state.paces : initialState.paces));
  const seesRequests = useLive((state) => state.live?.health.source !== "procfs");
  return useMemo(
    () => Array.from(processes, ([key, process]) => rowOfProcess(process, paceOf(paces, key), seesRequests)),
    [processes, paces, seesRequests],
  );
}

function useLives(isLive: boolean, sort: Sort): Omit<TableRows, "isLive"> {
  const { time } = useRoute();
  const by = MEASURED[sort[0]?.column ?? "resident_bytes"] ?? "resident";
  const { data, shown, problem, isOld } = useHistory<Lives>(isLive ? null : "lives", { by, limit: LIMIT[time.kind] }, EVERY_MS);
  const hostname = useLive((state) => state.live?.host.hostname ?? "");
  const total = useLive((state) => state.live?.host.memory.total_bytes ?? 0);
  const rows = useMemo(() => {
    if (data === null || shown === null) return [];
    const past = { ...shown, memory: new Map([[hostname, total]]) };
    return data.lives.map((life) => rowOfLife(life, past));
  }, [data, shown, hostname, total]);
  return { rows, isAsking: data === null && problem === null, isOld, problem, more: data?.more ?? 0 };
}

/** Measure by which the history chooses the processes of an answer, for each sort column. */
const MEASURED: Partial<Record<Column, Measure>> = {
  virtual_bytes: "virtual",
  peak_virtual_bytes: "virtual",
  requested_bytes: "requested",
  requested_per_second: "requested",
  granted_bytes: "granted",
  requests: "requests",
  requests_per_second: "requests",
  refused: "refused",
};
