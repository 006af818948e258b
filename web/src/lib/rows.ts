/** A row of the process table, live or past. Pure. */
import type { Life } from "../model/history";
import { processKey, type ProcessKey } from "../model/key";
import type { Pace } from "../model/pace";
import type { Process } from "../model/wire";

/** A field is null if its value is not known for the selected time. */
export interface TableRow {
  key: ProcessKey;
  /** Host of the process; null for live processes of memtap's own host. */
  host: string | null;
  /** Null in the row of a group. */
  pid: number | null;
  start_time: string;
  /** End of the process if it was before the end of the selected time. */
  end_time: string | null;
  name: string;
  command: string;
  user: string;
  parent_pid: number | null;
  container: string | null;
  pod: string | null;
  unit: string | null;
  threads: number | null;
  virtual_bytes: number;
  resident_bytes: number;
  anonymous_bytes: number;
  file_bytes: number;
  shmem_bytes: number;
  swap_bytes: number;
  peak_virtual_bytes: number;
  peak_resident_bytes: number;
  memory_percentage: number | null;
  minor_faults: number;
  major_faults: number;
  requests: number | null;
  requested_bytes: number | null;
  granted_bytes: number | null;
  released_bytes: number | null;
  refused: number | null;
  requests_per_second: number | null;
  requested_per_second: number | null;
  unexplained_bytes: number | null;
  last_request: string | null;
  /** Growth of the resident set in the last two minutes, or in the selected range. */
  growth_bytes: number | null;
  /** Trace from model/pace.ts; null if there is none. */
  trace: readonly number[] | null;
}

interface Made {
  pace: Pace | null;
  seesRequests: boolean;
  row: TableRow;
}

// A live process is a new object whenever it changes, so its row is cached by object.
const made = new WeakMap<Process, Made>();

export function rowOfProcess(process: Process, pace: Pace | null, seesRequests: boolean): TableRow {
  const known = made.get(process);
  if (known !== undefined && known.pace === pace && known.seesRequests === seesRequests) return known.row;
  const row = freshRow(process, pace, seesRequests);
  made.set(process, { pace, seesRequests, row });
  return row;
}

function freshRow(process: Process, pace: Pace | null, seesRequests: boolean): TableRow {
  const seen = <T>(value: T): T | null => (seesRequests ? value : null);
  const isAlive = process.state === "alive";
  return {
    key: processKey(process),
    host: null,
    pid: process.pid,
    start_time: process.start_time,
    end_time: process.end_time,
    name: process.name,
    command: process.command,
    user: process.user,
    parent_pid: process.parent_pid,
    container: process.container,
    pod: process.pod,
    unit: process.unit,
    threads: process.threads,
    virtual_bytes: process.virtual_bytes,
    resident_bytes: process.resident_bytes,
    anonymous_bytes: process.resident.anonymous_bytes,
    file_bytes: process.resident.file_bytes,
    shmem_bytes: process.resident.shmem_bytes,
    swap_bytes: process.swap_bytes,
    peak_virtual_bytes: process.peak_virtual_bytes,
    peak_resident_bytes: process.peak_resident_bytes,
    memory_percentage: process.memory_percentage,
    minor_faults: process.minor_faults,
    major_faults: process.major_faults,
    requests: seen(process.requests),
    requested_bytes: seen(process.requested_bytes),
    granted_bytes: seen(process.granted_bytes),
    released_bytes: seen(process.released_bytes),
    refused: seen(process.refused),
    requests_per_second: seen(pace?.requests ?? null),
    requested_per_second: seen(pace?.requested ?? null),
    unexplained_bytes: seen(process.unexplained_bytes),
    last_request: seen(process.last_request),
    growth_bytes: pace === null || !isAlive ? null : process.resident_bytes - (pace.trace[1] ?? process.resident_bytes),
    trace: pace === null || !isAlive ? null : pace.trace,
  };
}

/** The selected range, and the total memory of each host if known. */
export interface Past {
  from: number;
  to: number;
  memory: ReadonlyMap<string, number>;
}

export function rowOfLife(life: Life, past: Past): TableRow {
  const { before, resident, end_time: end, ...same } = life;
  const total = past.memory.get(life.host);
  const seconds = lifetimeSeconds(life, past);
  const hasEnded = end !== null && Date.parse(end) <= past.to;
  // The history has the last sizes of an ended process. At the end of the range it has no memory,
  // as in the live table.
  const sizes = hasEnded ? NOTHING : { virtual_bytes: life.virtual_bytes, resident_bytes: life.resident_bytes, swap_bytes: life.swap_bytes, ...resident };
  return {
    ...same,
    ...sizes,
    // Processes of other hosts need the host in their key, because pid and start time may be the
    // same.
    key: total === undefined ? `${processKey(life)}@${life.host}` : processKey(life),
    end_time: hasEnded ? end : null,
    threads: null,
    memory_percentage: total === undefined ? null : (100 * sizes.resident_bytes) / total,
    requests_per_second: life.requests / seconds,
    requested_per_second: life.requested_bytes / seconds,
    unexplained_bytes: null,
    last_request: null,
    growth_bytes: sizes.resident_bytes - before.resident_bytes,
    trace: null,
  };
}

const NOTHING = { virtual_bytes: 0, resident_bytes: 0, anonymous_bytes: 0, file_bytes: 0, shmem_bytes: 0, swap_bytes: 0 };

/**
 * Length of the process lifetime within the range in seconds. At least one second, so that rates
 * are not exaggerated.
 */
function lifetimeSeconds({ start_time, end_time }: Life, { from, to }: Past): number {
  const begin = Math.max(from, Date.parse(start_time));
  const end = Math.min(to, end_time === null ? to : Date.parse(end_time));
  return Math.max(1, (end - begin) / 1000);
}

/**
 * The sums of several rows as a row. A sum includes known values only, and is null if none is
 * known.
 */
export function sumOf(key: string, name: string, rows: readonly TableRow[]): TableRow {
  const first = rows[0];
  if (first === undefined) throw new Error("a group without members");
  const sum: TableRow = { ...first, key, name, pid: null, parent_pid: null, trace: null };
  for (const row of rows.slice(1)) add(sum, row);
  return sum;
}

// Field by field instead of a loop over names, because a tick may sum ten thousand rows.
function add(sum: TableRow, row: TableRow): void {
  addSizes(sum, row);
  addCounts(sum, row);
  if (sum.host !== row.host) sum.host = null;
  if (sum.user !== row.user) sum.user = "";
  if (sum.command !== row.command) sum.command = "";
  if (sum.container !== row.container) sum.container = null;
  if (sum.pod !== row.pod) sum.pod = null;
  if (sum.unit !== row.unit) sum.unit = null;
  if (row.start_time < sum.start_time) sum.start_time = row.start_time;
  sum.end_time = sum.end_time === null || row.end_time === null ? null : later(sum.end_time, row.end_time);
  sum.last_request = sum.last_request === null ? row.last_request : later(sum.last_request, row.last_request ?? "");
}

function addSizes(sum: TableRow, row: TableRow): void {
  sum.virtual_bytes += row.virtual_bytes;
  sum.resident_bytes += row.resident_bytes;
  sum.anonymous_bytes += row.anonymous_bytes;
  sum.file_bytes += row.file_bytes;
  sum.shmem_bytes += row.shmem_bytes;
  sum.swap_bytes += row.swap_bytes;
  // The largest peak of a single process. Peaks occur at different times and cannot be added.
  sum.peak_virtual_bytes = Math.max(sum.peak_virtual_bytes, row.peak_virtual_bytes);
  sum.peak_resident_bytes = Math.max(sum.peak_resident_bytes, row.peak_resident_bytes);
  sum.memory_percentage = added(sum.memory_percentage, row.memory_percentage);
  sum.growth_bytes = added(sum.growth_bytes, row.growth_bytes);
}

function addCounts(sum: TableRow, row: TableRow): void {
  sum.minor_faults += row.minor_faults;
  sum.major_faults += row.major_faults;
  sum.threads = added(sum.threads, row.threads);
  sum.requests = added(sum.requests, row.requests);
  sum.requested_bytes = added(sum.requested_bytes, row.requested_bytes);
  sum.granted_bytes = added(sum.granted_bytes, row.granted_bytes);
  sum.released_bytes = added(sum.released_bytes, row.released_bytes);
  sum.refused = added(sum.refused, row.refused);
  sum.requests_per_second = added(sum.requests_per_second, row.requests_per_second);
  sum.requested_per_second = added(sum.requested_per_second, row.requested_per_second);
  sum.unexplained_bytes = added(sum.unexplained_bytes, row.unexplained_bytes);
}

/** Sum of the known values. */
function added(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : a + b;
}

function later(a: string, b: string): string {
  return a < b ? b : a;
}
