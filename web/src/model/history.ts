/** What the history answers, as docs/api.md says it. Sizes are bytes, times RFC 3339 UTC. No logic here. */
import type { CallTotals } from "./wire";

export interface HostList {
  hosts: { hostname: string; kernel: string; first_time: string; last_time: string }[];
}

export interface MachinePoint {
  timestamp: string;
  total_bytes: number;
  available_bytes: number;
  least_available_bytes: number;
  free_bytes: number;
  cached_bytes: number;
  kernel_bytes: number;
  programs_bytes: number;
  swap_total_bytes: number;
  swap_free_bytes: number;
  pressure: { some_avg10: number; full_avg10: number } | null;
  lost: number;
  calls: Record<string, CallTotals>;
}

export interface Machine {
  step_s: number;
  series: MachinePoint[];
}

export const MEASURES = ["requested", "granted", "resident", "virtual", "requests", "refused"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Programs {
  by: Measure;
  step_s: number;
  programs: { name: string; lives: number; value: number; series: { timestamp: string; value: number }[] }[];
  others: { names: number; lives: number; value: number } | null;
  total: number;
}

/** One process, as far as its life lies within a range. */
export interface Life {
  host: string;
  pid: number;
  start_time: string;
  end_time: string | null;
  /** The last time that was told of it. */
  seen_time: string;
  name: string;
  command: string;
  user: string;
  parent_pid: number | null;
  container: string | null;
  pod: string | null;
  unit: string | null;
  /** Where the range begins. */
  before: { virtual_bytes: number; resident_bytes: number };
  virtual_bytes: number;
  resident_bytes: number;
  resident: { anonymous_bytes: number; file_bytes: number; shmem_bytes: number };
  swap_bytes: number;
  peak_virtual_bytes: number;
  peak_virtual_time: string;
  peak_resident_bytes: number;
  peak_resident_time: string;
  requests: number;
  refused: number;
  requested_bytes: number;
  granted_bytes: number;
  released_bytes: number;
  minor_faults: number;
  major_faults: number;
}

export interface Lives {
  lives: Life[];
  more: number;
}

export interface Usage {
  step_s: number;
  series: {
    timestamp: string;
    virtual_bytes: number;
    resident_bytes: number;
    anonymous_bytes: number;
    file_bytes: number;
    shmem_bytes: number;
    swap_bytes: number;
    peak_virtual_bytes: number;
    peak_resident_bytes: number;
    requests: number;
    refused: number;
    requested_bytes: number;
    granted_bytes: number;
    released_bytes: number;
    minor_faults: number;
    major_faults: number;
  }[];
}

export interface Sizes {
  buckets: { call: string; from_bytes: number; count: number; refused: number; bytes: number }[];
  frequent: { call: string; size: number; count: number }[];
  rows: number;
  since: string | null;
  cut: boolean;
}

export interface RefusalList {
  refusals: {
    host: string;
    pid: number;
    start_time: string;
    name: string;
    call: string;
    errno: number;
    error: string;
    meaning: string;
    /** Null for what programs meet on purpose or bear without harm. */
    mend: string | null;
    count: number;
    largest_bytes: number;
    first_time: string;
    last_time: string;
  }[];
}
