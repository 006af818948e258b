/** Server messages for the tests, each as small as the types allow. */
import { rowOfProcess, type TableRow } from "../src/lib/rows";
import type { Life } from "../src/model/history";
import { STILL } from "../src/model/pace";
import type { Health, Host, MemoryRequest, OomKill, Process, Share, Snapshot, Tick } from "../src/model/wire";

export function processOf(pid: number, start_time = "2026-11-23T10:00:00.000Z"): Process {
  return {
    pid,
    start_time,
    name: "perl",
    command: "perl -e 1",
    user: "root",
    parent_pid: 1,
    container: null,
    pod: null,
    unit: null,
    session: null,
    cgroup: "/",
    inner_pid: null,
    threads: 1,
    state: "alive",
    end_time: null,
    virtual_bytes: 4096,
    resident_bytes: 4096,
    resident: { anonymous_bytes: 4096, file_bytes: 0, shmem_bytes: 0 },
    swap_bytes: 0,
    peak_virtual_bytes: 4096,
    peak_resident_bytes: 4096,
    minor_faults: 1,
    major_faults: 0,
    memory_percentage: 0.01,
    unexplained_bytes: 0,
    requests: 1,
    requested_bytes: 4096,
    refused: 0,
    refusals: [],
    lost: 0,
    calls: {},
    granted_bytes: 4096,
    released_bytes: 0,
    opening_bytes: 0,
    exec_bytes: 0,
    stack_bytes: 0,
    kernel_bytes: 0,
    shared_bytes: 0,
    ended_bytes: 0,
    first_request: null,
    last_request: null,
  };
}

/** Table row of such a process, which did nothing in the last tick. */
export function rowOf(pid: number, part: Partial<TableRow> = {}, process: Partial<Process> = {}): TableRow {
  const { start_time, ...others } = process;
  return { ...rowOfProcess({ ...processOf(pid, start_time), ...others }, STILL, true), ...part };
}

export function lifeOf(pid: number, part: Partial<Life> = {}): Life {
  return {
    host: "vm",
    pid,
    start_time: "2026-11-23T10:00:00.000Z",
    end_time: null,
    seen_time: "2026-11-23T11:00:00.000Z",
    name: "perl",
    command: "perl -e 1",
    user: "root",
    parent_pid: 1,
    container: null,
    pod: null,
    unit: null,
    before: { virtual_bytes: 0, resident_bytes: 0 },
    virtual_bytes: 8192,
    resident_bytes: 4096,
    resident: { anonymous_bytes: 4096, file_bytes: 0, shmem_bytes: 0 },
    swap_bytes: 0,
    peak_virtual_bytes: 8192,
    peak_virtual_time: "2026-11-23T10:30:00.000Z",
    peak_resident_bytes: 4096,
    peak_resident_time: "2026-11-23T10:30:00.000Z",
    requests: 60,
    refused: 0,
    requested_bytes: 4096,
    granted_bytes: 4096,
    released_bytes: 0,
    minor_faults: 1,
    major_faults: 0,
    ...part,
  };
}

export function requestOf(part: Partial<MemoryRequest>): MemoryRequest {
  return {
    host: null,
    timestamp: "2026-11-23T10:00:00.000Z",
    pid: 1,
    tid: 1,
    process_name: "perl",
    call: "mmap",
    memory_size: 4096,
    address: "0x7f0000000000",
    delta_bytes: 4096,
    errno: null,
    error: null,
    virtual_bytes: 4096,
    arguments: "",
    file: null,
    lost_before: 0,
    ...part,
  };
}

export function killSample(pid: number, timestamp: string, before: OomKill["before"] = []): OomKill {
  return {
    timestamp,
    pid,
    process_name: "perl",
    command: "perl -e 1",
    container: null,
    virtual_bytes: 4096,
    resident_bytes: 4096,
    swap_bytes: 0,
    asker_pid: pid,
    asker_name: "perl",
    before,
  };
}

export function health(part: { refused?: number; lost?: number }): Health {
  const { refused = 0, lost = 0 } = part;
  return {
    version: "0.1.0",
    source: "bpf",
    plan: "exit+locks",
    plan_about: null,
    uptime_s: 1,
    requests: { made: 1, seen: 1, per_second: 5, refused, refused_per_second: 0, lost, lost_by_cause: { ring_full: lost } },
    unexplained_bytes: 0,
    oom_kills: 0,
    runs_as: { user: "root", capabilities: [], nice: -10 },
    store: { kind: "none", rows: 0, lag_s: 0, spooled: 0, spool_bytes: 0, dropped: 0, dropped_by_cause: {}, bytes: 0, error: null },
    clients: { connections: 1, sessions: 1, refused_by_cause: {} },
    self: { cpu_s: 0, resident_bytes: 0 },
    notices: [],
  };
}

const host: Host = {
  hostname: "vm",
  kernel: "6.18",
  page_size: 4096,
  cpus: 2,
  memory: { total_bytes: 4, available_bytes: 1, free_bytes: 1, cached_bytes: 1, kernel_bytes: 1, programs_bytes: 1 },
  swap: { total_bytes: 0, free_bytes: 0 },
  pressure: null,
};
const share: Share = { by: "requested_bytes", total_bytes: 0, slices: [], others: null };

export function snapshotOf(part: Partial<Snapshot>): Snapshot {
  const time = "2026-11-23T10:00:00.000Z";
  return { time, host, health: health({}), processes: [], requests: [], oom_kills: [], share, ...part };
}

export function tickOf(part: Partial<Tick>): Tick {
  const time = "2026-11-23T10:00:01.000Z";
  return { time, host, health: health({}), changed: [], removed: [], requests: [], skipped: 0, oom_kills: [], share, ...part };
}
