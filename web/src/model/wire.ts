/** What memtap sends, as docs/api.md says it. Sizes are bytes, times RFC 3339 UTC. No logic here. */

/** The calls that are followed. */
export const CALLS = [
  "mmap",
  "munmap",
  "mremap",
  "brk",
  "mprotect",
  "pkey_mprotect",
  "madvise",
  "process_madvise",
  "mlock",
  "mlock2",
  "munlock",
  "mlockall",
  "munlockall",
  "shmat",
  "shmdt",
  "remap_file_pages",
  "memfd_create",
  "userfaultfd",
  "mseal",
] as const;

export interface Health {
  version: string;
  source: string;
  /** How the kernel side keeps the books; null where no requests are seen. */
  plan: string | null;
  plan_about: string | null;
  uptime_s: number;
  requests: {
    /** By the kernel's own count, whether they came or not. */
    made: number;
    seen: number;
    per_second: number;
    refused: number;
    lost: number;
    lost_by_cause: Record<string, number>;
  };
  unexplained_bytes: number;
  oom_kills: number;
  store: {
    kind: string;
    rows: number;
    lag_s: number;
    spooled: number;
    spool_bytes: number;
    dropped: number;
    dropped_by_cause: Record<string, number>;
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

/** Refused requests of one call with one errno. */
export interface Refusals {
  call: string;
  errno: number;
  /** The errno's name, `ENOMEM`. */
  error: string;
  count: number;
}

export interface Process {
  pid: number;
  start_time: string;
  name: string;
  command: string;
  user: string;
  parent_pid: number;
  /** `docker:0123456789ab`. */
  container: string | null;
  pod: string | null;
  unit: string | null;
  session: string | null;
  cgroup: string;
  /** Its pid inside its own namespace. */
  inner_pid: number | null;
  threads: number;
  state: "alive" | "ended";
  end_time: string | null;
  virtual_bytes: number;
  resident_bytes: number;
  resident: { anonymous_bytes: number; file_bytes: number; shmem_bytes: number };
  swap_bytes: number;
  peak_virtual_bytes: number;
  peak_resident_bytes: number;
  minor_faults: number;
  major_faults: number;
  memory_percentage: number;
  unexplained_bytes: number;
  requests: number;
  requested_bytes: number;
  refused: number;
  refusals: Refusals[];
  /** Requests of it that are missing in the stream; the sums have them. */
  lost: number;
  calls: Record<string, CallTotals>;
  granted_bytes: number;
  released_bytes: number;
  opening_bytes: number;
  exec_bytes: number;
  stack_bytes: number;
  kernel_bytes: number;
  shared_bytes: number;
  ended_bytes: number;
  first_request: string | null;
  last_request: string | null;
}

/** What `?pss=true` adds to a process that is alive. */
export interface Proportional {
  pss_bytes: number;
  uss_bytes: number;
  swap_pss_bytes: number;
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
  /** Name of the file that was mapped. */
  file: string | null;
  /** So many requests of its process are missing just before this one. */
  lost_before: number;
}

export interface OomKill {
  timestamp: string;
  pid: number;
  process_name: string;
  command: string;
  container: string | null;
  virtual_bytes: number;
  resident_bytes: number;
  swap_bytes: number;
  /** Whose request for a page came too many. */
  asker_pid: number;
  asker_name: string;
  /** The last seconds before, earliest first. */
  before: OomMoment[];
}

export interface OomMoment {
  timestamp: string;
  available_bytes: number;
  /** The processes with the largest resident sets, largest first. */
  largest: { pid: number; name: string; virtual_bytes: number; resident_bytes: number }[];
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
  /** Of this run, the latest hundred, earliest first. */
  oom_kills: OomKill[];
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
  /** New ones. */
  oom_kills: OomKill[];
  share: Share;
}
