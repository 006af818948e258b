/** Where the ticks of an axis are, and how they are written. Pure. */
import { bytes, clock, dayClock, fixed, type Lang } from "../lib/format";

const DAY_MS = 86_400_000;
/** Shorter ranges have ticks that lie less than a minute apart. */
const SECONDS_MS = 300_000;

export interface Steps {
  interval: number;
  max: number;
}

/** Four steps or a few more, each a power of two: 0, 2 GiB, 4 GiB and not 1.86 GiB. */
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

/** A tick of an amount, with as many decimals as tell it from its neighbours. */
export function amountLabel(value: number, interval: number, isBytes: boolean, lang: Lang): string {
  if (isBytes) return bytes(value, lang);
  return fixed(value, Math.max(0, -Math.floor(Math.log10(interval) + 1e-9)), lang);
}

/** A tick of time, as exact as ticks of such a range are. */
export function timeLabel(time: number, rangeMs: number): string {
  if (rangeMs > DAY_MS) return dayClock(time);
  const text = clock(new Date(time).toISOString());
  return rangeMs <= SECONDS_MS ? text : text.slice(0, 5);
}

/** A moment of data: to the second, and with its day where there are several. */
export function momentLabel(time: number, rangeMs: number): string {
  return rangeMs > DAY_MS ? dayClock(time) : clock(new Date(time).toISOString());
}
