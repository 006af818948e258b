/** Rates per second since the page was opened, for the chart of the overview. Pure. */
import type { Health } from "./wire";

export const RATE_SECONDS = 600;
/** A longer time between two ticks is a gap in the chart. */
export const GAP_MS = 3_000;

export interface RatePoint {
  /** Milliseconds since 1970, by the server's clock. */
  time: number;
  requests: number | null;
  refused: number | null;
  lost: number;
}

/** Adds a tick. If counters fell, memtap was restarted, and the difference counts as zero. */
export function withTick(
  points: readonly RatePoint[],
  time: string,
  health: Health,
  before: Health | null,
): readonly RatePoint[] {
  const now = Date.parse(time);
  const last = points.at(-1);
  const broken = last !== undefined && now - last.time > GAP_MS;
  const seconds = last === undefined ? 1 : Math.max(0.5, (now - last.time) / 1000);
  const refused = before === null ? 0 : grown(before.requests.refused, health.requests.refused);
  const lost = before === null ? 0 : grown(before.requests.lost, health.requests.lost);

  const gap: RatePoint[] = broken ? [{ time: last.time + 1000, requests: null, refused: null, lost: 0 }] : [];
  const point: RatePoint = {
    time: now,
    requests: health.requests.per_second,
    refused: broken ? null : refused / seconds,
    lost,
  };
  return [...points, ...gap, point].filter((one) => one.time > now - RATE_SECONDS * 1000);
}

function grown(before: number, now: number): number {
  return Math.max(0, now - before);
}
