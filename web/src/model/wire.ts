/** What memtap sends, by the page's names. The types are those of docs/openapi.json, which the server's code gives. No logic here. */
import type * as api from "./api";

export { callNameValues as CALLS } from "./api";
export type { CallTotals, Host, Limits, Mappings, Notice, OomKill, OomMoment, Process, ProcessId, Refusals, Share } from "./api";

/** What `?pss=true` adds to a process that is alive. */
export type Proportional = Required<Pick<api.OneProcess, "pss_bytes" | "uss_bytes" | "swap_pss_bytes">>;

/** The page shows this machine's requests: which host they are of is told in the history alone. */
export type MemoryRequest = Omit<api.Request, "host">;

export type Health = Omit<api.Health, "requests"> & {
  /** The page does not show the rate of refusals. */
  requests: Omit<api.RequestTotals, "refused_per_second">;
};

type Live<T> = Omit<T, "health" | "requests"> & { health: Health; requests: MemoryRequest[] };
export type Snapshot = Live<api.Snapshot>;
export type Tick = Live<api.Tick>;
