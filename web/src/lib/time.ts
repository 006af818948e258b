/**
 * The time that the page shows: live with the last hours, or a range of the history. It is part of
 * the address, so that links contain it. Pure.
 */

export type Time =
  | { kind: "live"; seconds: number }
  /** Milliseconds since 1970. */
  | { kind: "range"; from: number; to: number };

export const HOUR = 3600;
/** Selectable lengths of the live time, in seconds. */
export const LOOK_BACKS = [15 * 60, HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR] as const;
export const LIVE: Time = { kind: "live", seconds: HOUR };
/** Minimum length of a range that the user selects. */
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

/** The selected time as a range that ends at `now` if it is live. */
export function stretch(time: Time, now: number): { from: number; to: number } {
  return time.kind === "range" ? time : { from: now - time.seconds * 1000, to: now };
}

/** Shortest live range that a chart draws, even with less data. */
const SHORTEST_MS = 300_000;

/**
 * The range that a chart draws. A live chart begins with the first data, because memtap may have
 * started later. A range that the user chose is drawn as it is.
 */
export function drawn(shown: { from: number; to: number }, first: number | undefined, isLive: boolean): { from: number; to: number } {
  if (!isLive || first === undefined) return shown;
  return { from: Math.max(shown.from, Math.min(first, shown.to - SHORTEST_MS)), to: shown.to };
}

/** Converts the two ends of a drag, in any order, to a range. */
export function dragged(a: number, b: number): Time {
  const [from, to] = a < b ? [a, b] : [b, a];
  const missing = Math.max(0, LEAST_MS - (to - from)) / 2;
  return { kind: "range", from: Math.floor(from - missing), to: Math.ceil(to + missing) };
}

/** A range around the time of a click in a chart. */
export function around(moment: number, shown: { from: number; to: number }): Time {
  const half = Math.max(15_000, (shown.to - shown.from) / 40);
  return { kind: "range", from: Math.floor(moment - half), to: Math.ceil(moment + half) };
}

/** A range of twice the length around the same centre, but not beyond `now`. */
export function zoomedOut({ from, to }: { from: number; to: number }, now: number): Time {
  const half = (to - from) / 2;
  const end = Math.min(to + half, now);
  return { kind: "range", from: Math.floor(end - 4 * half), to: Math.ceil(end) };
}

/** The local day that was `back` days ago, until `now` at the latest. */
export function day(now: number, back: number): Time {
  const begin = new Date(now);
  begin.setHours(0, 0, 0, 0);
  begin.setDate(begin.getDate() - back);
  const end = new Date(begin);
  end.setDate(end.getDate() + 1);
  return { kind: "range", from: begin.getTime(), to: Math.min(end.getTime(), now) };
}

/** The local time for a `datetime-local` field. */
export function fieldText(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
