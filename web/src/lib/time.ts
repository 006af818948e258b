/** Which time the page shows: the present with a look back, or a stretch of the history. Kept in the address, so that a link carries it. Pure. */

export type Time =
  | { kind: "live"; seconds: number }
  /** Milliseconds since 1970. */
  | { kind: "range"; from: number; to: number };

export const HOUR = 3600;
/** What one can look back over, seconds. */
export const LOOK_BACKS = [15 * 60, HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR] as const;
export const LIVE: Time = { kind: "live", seconds: HOUR };
/** A range that was chosen by hand is at least so long. */
export const LEAST_MS = 2_000;

export function timeFromQuery(query: URLSearchParams): Time {
  const from = Date.parse(query.get("from") ?? "");
  const to = Date.parse(query.get("to") ?? "");
  if (from < to) return { kind: "range", from, to };
  const seconds = LOOK_BACKS.find((one) => String(one) === query.get("last"));
  return seconds === undefined ? LIVE : { kind: "live", seconds };
}

export function timeToQuery(time: Time): Record<string, string> {
  if (time.kind === "range") return { from: new Date(time.from).toISOString(), to: new Date(time.to).toISOString() };
  return time.seconds === HOUR ? {} : { last: String(time.seconds) };
}

/** The stretch that is shown, as of `now`. */
export function stretch(time: Time, now: number): { from: number; to: number } {
  return time.kind === "range" ? time : { from: now - time.seconds * 1000, to: now };
}

/** The shortest look back that a chart draws, however little there is. */
const SHORTEST_MS = 300_000;

/** What of the time that is shown a chart draws: memtap may have begun later than one looks back. A chosen range is drawn as it is. */
export function drawn(shown: { from: number; to: number }, first: number | undefined, isLive: boolean): { from: number; to: number } {
  if (!isLive || first === undefined) return shown;
  return { from: Math.max(shown.from, Math.min(first, shown.to - SHORTEST_MS)), to: shown.to };
}

/** Two moments of a drag, in whichever order, as a range. */
export function dragged(a: number, b: number): Time {
  const [from, to] = a < b ? [a, b] : [b, a];
  const missing = Math.max(0, LEAST_MS - (to - from)) / 2;
  return { kind: "range", from: Math.floor(from - missing), to: Math.ceil(to + missing) };
}

/** The moment that was clicked in a chart, with as much around it as lets one see what happened. */
export function around(moment: number, shown: { from: number; to: number }): Time {
  const half = Math.max(15_000, (shown.to - shown.from) / 40);
  return { kind: "range", from: Math.floor(moment - half), to: Math.ceil(moment + half) };
}

/** Twice as long, about the same middle, but not into the future. */
export function zoomedOut({ from, to }: { from: number; to: number }, now: number): Time {
  const half = (to - from) / 2;
  const end = Math.min(to + half, now);
  return { kind: "range", from: Math.floor(end - 4 * half), to: Math.ceil(end) };
}

/** The day that `now` is in, `back` days ago, where the reader is. */
export function day(now: number, back: number): Time {
  const begin = new Date(now);
  begin.setHours(0, 0, 0, 0);
  begin.setDate(begin.getDate() - back);
  const end = new Date(begin);
  end.setDate(end.getDate() + 1);
  return { kind: "range", from: begin.getTime(), to: Math.min(end.getTime(), now) };
}

/** The value of a `datetime-local` field where the reader is. */
export function fieldText(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
