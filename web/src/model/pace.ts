/** What each process asks for per second, and how its resident set went in the last two minutes. Pure. */
import { processKey, type ProcessKey } from "./key";
import type { Process, Tick } from "./wire";

export const TRACE_MS = 120_000;
export const TRACE_POINTS = 60;
/** So many processes have a trace at once; memory is bounded, however many there are. */
export const TRACED = 10_000;
const SPACING_MS = TRACE_MS / TRACE_POINTS;

export interface Pace {
  /** Per second, by the last tick; null where nobody knows what there was before. */
  requests: number | null;
  requested: number | null;
  /** Time (ms) and resident set in turn, earliest first; from each moment on the size holds until the next. Empty: it never changed. */
  trace: readonly number[];
}

export interface Paces {
  /** When this page began to look on, ms; null before the first snapshot. */
  since: number | null;
  /** Whether a tick has come since, so that there are rates. */
  measured: boolean;
  /** Of those that changed. */
  of: ReadonlyMap<ProcessKey, Pace>;
}

/** Of a process that did nothing. */
export const STILL: Pace = { requests: 0, requested: 0, trace: [] };
export const NO_PACES: Paces = { since: null, measured: false, of: new Map() };

/** After a snapshot: what came between it and the ticks before is not known. */
export function pacesFrom(time: string): Paces {
  return { ...NO_PACES, since: Date.parse(time) };
}

/** The pace of a process; null before the first tick. */
export function paceOf(paces: Paces, key: ProcessKey): Pace | null {
  return paces.of.get(key) ?? (paces.measured ? STILL : null);
}

export function withPaces(paces: Paces, before: ReadonlyMap<ProcessKey, Process>, lastTime: string, tick: Tick): Paces {
  if (paces.measured && tick.changed.length === 0 && tick.removed.length === 0 && isQuiet(paces)) return paces;
  const span = { from: Date.parse(lastTime), to: Date.parse(tick.time) };
  const of = new Map<ProcessKey, Pace>();
  for (const [key, pace] of paces.of) of.set(key, rested(pace));
  for (const process of tick.changed) {
    const key = processKey(process);
    // Who has ended asks for nothing any more.
    if (process.state === "ended") of.delete(key);
    else of.set(key, moved(of.get(key) ?? null, before.get(key) ?? null, process, span, of.size < TRACED));
  }
  for (const id of tick.removed) of.delete(processKey(id));
  return { since: paces.since, measured: true, of };
}

function rested(pace: Pace): Pace {
  return isStill(pace) ? pace : { ...STILL, trace: pace.trace };
}

function isStill({ requests, requested }: Pace): boolean {
  return requests === 0 && requested === 0;
}

function isQuiet({ of }: Paces): boolean {
  for (const pace of of.values()) if (!isStill(pace)) return false;
  return true;
}

type Span = { from: number; to: number };

function moved(pace: Pace | null, before: Process | null, now: Process, span: Span, hasRoom: boolean): Pace {
  const seconds = Math.max(0.5, (span.to - span.from) / 1000);
  // A process that started since the last tick has made all of its requests since then.
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
  // Changes that lie closer together than a point is wide share one.
  const isClose = begun.length > 2 && to - lastTime < SPACING_MS;
  return isClose ? [...begun.slice(first, -2), lastTime, resident] : [...begun.slice(first), to, resident];
}

/** Where to begin so that the size at `since` is still told. */
function firstInSight(trace: readonly number[], since: number): number {
  let first = 0;
  while (first + 2 < trace.length && (trace[first + 2] ?? 0) <= since) first += 2;
  return first;
}
