/**
 * Types of the live events. They come from docs/openapi.json, which is generated from the server's
 * code. No logic here.
 */
import type * as api from "./api";

export { callNameValues as CALLS } from "./api";
export type {
  CallTotals,
  FocusAnswer,
  FocusedRequests,
  Health,
  Host,
  Limits,
  Mappings,
  Notice,
  OomKill,
  OneProcess,
  OomMoment,
  Process,
  ProcessId,
  Refusals,
  Request as MemoryRequest,
  Share,
  Snapshot,
  Tick,
} from "./api";

/** Fields that `?pss=true` adds to a process that is alive. */
export type Proportional = Required<Pick<api.OneProcess, "pss_bytes" | "uss_bytes" | "swap_pss_bytes">>;
