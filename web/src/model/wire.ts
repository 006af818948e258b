/** What memtap sends, as docs/api.md says it. Sizes are bytes, times RFC 3339 UTC. No logic here. */

export interface Health {
  version: string;
  source: string;
  uptime_s: number;
  requests: {
    seen: number;
    per_second: number;
    refused: number;
    lost: number;
    lost_by_cause: Record<string, number>;
  };
  unexplained_bytes: number;
  store: {
    kind: string;
    rows: number;
    lag_s: number;
    spooled: number;
    dropped: number;
    bytes: number;
    error: string | null;
  };
  self: { cpu_s: number; resident_bytes: number };
  notices: Notice[];
}

export interface Notice {
  what: string;
  mend: string;
}

export interface Host {
  hostname: string;
  kernel: string;
  page_size: number;
  cpus: number;
  memory: {
    total_bytes: number;
    available_bytes: number;
    free_bytes: number;
    cached_bytes: number;
    kernel_bytes: number;
    programs_bytes: number;
  };
  swap: { total_bytes: number; free_bytes: number };
  pressure: { some_avg10: number; full_avg10: number } | null;
}

export interface CallTotals {
  count: number;
  requested_bytes: number;
  refused: number;
}

export interface Process {
  pid: number;
  start_time: string;
  name: string;
  command: string;
  user: string;
  parent_pid: number;
  container: string | null;
  state: "alive" | "ended";
  end_time: string | null;
  virtual_bytes: number;
  resident_bytes: number;
  memory_percentage: number;
  unexplained_bytes: number;
  requests: number;
  requested_bytes: number;
  refused: number;
  calls: Record<string, CallTotals>;
  granted_bytes: number;
  released_bytes: number;
  opening_bytes: number;
  exec_bytes: number;
  stack_bytes: number;
  shared_bytes: number;
  ended_bytes: number;
  first_request: string | null;
  last_request: string | null;
}

export interface MemoryRequest {
  timestamp: string;
  pid: number;
  tid: number;
  process_name: string;
  call: string;
  memory_size: number;
  address: string;
  delta_bytes: number;
  errno: number | null;
  error: string | null;
  virtual_bytes: number;
  arguments: string;
}

export interface Share {
  by: string;
  total_bytes: number;
  slices: { name: string; bytes: number }[];
  others: { names: number; bytes: number } | null;
}

export interface ProcessId {
  pid: number;
  start_time: string;
}

export interface Snapshot {
  time: string;
  host: Host;
  health: Health;
  processes: Process[];
  requests: MemoryRequest[];
  share: Share;
}

export interface Tick {
  time: string;
  host: Host;
  health: Health;
  changed: Process[];
  removed: ProcessId[];
  requests: MemoryRequest[];
  skipped: number;
  share: Share;
}
