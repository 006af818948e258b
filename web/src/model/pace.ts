/** Requests per second of each process, and its resident set in the last two minutes. Pure. */
import { processKey, type ProcessKey } from "./key";
import type { Process, Tick } from "./wire";

export const TRACE_MS = 120_000;
export const TRACE_POINTS = 60;
/** Maximum number of processes with a trace, which bounds the memory of the page. */
export const TRACED = 10_000;
const SPACING_MS = TRACE_MS / TRACE_POINTS;

export interface Pace {
  /** Requests per second in the last tick; null if the previous count is unknown. */
  requests: number | null;
  requested: number | null;
  /**
   * Times (ms) and resident sets in turn, the earliest first. A size is valid until the next time.
   * Empty if it never changed.
   */
  trace: readonly number[];
}

export interface Paces {
  /** Start of observation in ms; null before the first snapshot. */
  since: number | null;
  /** True after the first tick, when rates are known. */
  measured: boolean;
  /** Paces of the processes that have changed. */
  byKey: ReadonlyMap<ProcessKey, Pace>;
}

/** Pace of a process that did nothing. */
export const STILL: Pace = { requests: 0, requested: 0, trace: [] };
export const NO_PACES: Paces = { since: null, measured: false, byKey: new Map() };

/** Starts again after a snapshot, because changes in between are unknown. */
export function pacesFrom(time: string): Paces {
  return { ...NO_PACES, since: Date.parse(time) };
}

/** The pace of a process; null before the first tick. */
export function paceOf(paces: Paces, key: ProcessKey): Pace | null {
  return paces.byKey.get(key) ?? (paces.measured ? STILL : null);
}

export function withPaces(paces: Paces, before: ReadonlyMap<ProcessKey, Process>, lastTime: string, tick: Tick): Paces {
  if (paces.measured && tick.changed.length === 0 && tick.removed.length === 0 && isQuiet(paces)) return paces;
  const span = { from: Date.parse(lastTime), to: Date.parse(tick.time) };
  const byKey = new Map<ProcessKey, Pace>();
  for (const [key, pace] of paces.byKey) byKey.set(key, rested(pace));
  for (const process of tick.changed) {
    const key = processKey(process);
    // An ended process makes no more requests.
    if (process.state === "ended") byKey.delete(key);
    else byKey.set(key, moved(byKey.get(key) ?? null, before.get(key) ?? null, process, span, byKey.size < TRACED));
  }
  for (const id of tick.removed) byKey.delete(processKey(id));
  return { since: paces.since, measured: true, byKey };
}

function rested(pace: Pace): Pace {
  return isStill(pace) ? pace : { ...STILL, trace: pace.trace };
}

function isStill({ requests, requested }: Pace): boolean {
  return requests === 0 && requested === 0;
}

function isQuiet({ byKey }: Paces): boolean {
  for (const pace of byKey.values()) if (!isStill(pace)) return false;
  return true;
}

type Span = { from: number; to: number };

function moved(pace: Pace | null, before: Process | null, now: Process, span: Span, hasRoom: boolean): Pace {
  const seconds = Math.max(0.5, (span.to - span.from) / 1000);
  // All requests of a process that started since the last tick belong to this tick.
  const isNew = before === null && Date.parse(now.start_time) >= span.from;
  const rate = (count: "requests" | "requested_bytes"): number | null => {
    const grown = now[count] - (isNew ? 0 : (before?.[count] ?? Number.NaN));
    return grown >= 0 ? grown / seconds : null;
  };
  const canTrace = pace !== null || hasRoom;
  const trace = canTrace ? traced(pace?.trace ?? STILL.trace, before, now.resident_bytes, span) : STILL.trace;
  return { requests: rate("requests"), requested: rate("requested_bytes"), trace };
}

function traced(trace: readonly number[], before: Process | null, resident: number, { from, to }: Span): readonly number[] {
  if (before === null) return [to, resident];
  if (before.resident_bytes === resident) return trace;
  const begun = trace.length > 0 ? trace : [from, before.resident_bytes];
  const first = firstInSight(begun, to - TRACE_MS);
  const lastTime = begun.at(-2) ?? 0;
  // Changes closer together than the width of a point share one point.
  const isClose = begun.length > 2 && to - lastTime < SPACING_MS;
  return isClose ? [...begun.slice(first, -2), lastTime, resident] : [...begun.slice(first), to, resident];
}

/** Index of the first point to keep, so that the size at `since` is known. */
function firstInSight(trace: readonly number[], since: number): number {
  let first = 0;
  while (first + 2 < trace.length && (trace[first + 2] ?? 0) <= since) first += 2;
  return first;
}
