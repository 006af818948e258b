/** Positions and labels of axis ticks. Pure. */
import { bytes, clock, dayClock, fixed, type Lang } from "../lib/format";

const DAY_MS = 86_400_000;
/** Ticks of a range up to this length show seconds. */
const SECONDS_MS = 300_000;

export interface Steps {
  interval: number;
  max: number;
}

/** Three or four steps, each a power of two: 0, 2 GiB, 4 GiB and not 1.86 GiB. */
export function byteSteps(top: number): Steps {
  const interval = 2 ** Math.ceil(Math.log2(Math.max(top, 4096) / 4));
  return { interval, max: Math.ceil(Math.max(top, 1) / interval) * interval };
}

/** Three to five steps, each 1, 2 or 5 times a power of ten, however small. */
export function rateSteps(top: number): Steps {
  if (!(top > 0)) return { interval: 1, max: 1 };
  const power = 10 ** Math.floor(Math.log10(top / 5));
  const interval = ([1, 2, 5].find((n) => n * power >= top / 5) ?? 10) * power;
  return { interval, max: Math.ceil(top / interval - 1e-9) * interval };
}

/** Label of an amount, with enough decimals to differ from the neighbouring ticks. */
export function amountLabel(value: number, interval: number, isBytes: boolean, lang: Lang): string {
  if (isBytes) return bytes(value, lang);
  return fixed(value, Math.max(0, -Math.floor(Math.log10(interval) + 1e-9)), lang);
}

/** Label of a time, with the precision that suits the range. */
export function timeLabel(time: number, rangeMs: number): string {
  if (rangeMs > DAY_MS) return dayClock(time);
  const text = clock(new Date(time).toISOString());
  return rangeMs <= SECONDS_MS ? text : text.slice(0, 5);
}

/** Label of a data point: to the second in ranges up to a day, otherwise with the date. */
export function momentLabel(time: number, rangeMs: number): string {
  return rangeMs > DAY_MS ? dayClock(time) : clock(new Date(time).toISOString());
}
