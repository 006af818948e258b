/** Totals of the machine's steps. Pure. */
import type { Machine } from "../model/history";

export interface MachineSums {
  /** Length of all reported steps. */
  seconds: number;
  requests: number;
  refused: number;
  lost: number;
  /** Highest pressure; null if the kernel has no PSI. */
  pressure: number | null;
}

export function sums({ series, step_s }: Machine): MachineSums {
  let [requests, refused, lost] = [0, 0, 0];
  let pressure: number | null = null;
  for (const point of series) {
    lost += point.lost;
    for (const totals of Object.values(point.calls)) {
      requests += totals.count;
      refused += totals.refused;
    }
    if (point.pressure !== null) pressure = Math.max(pressure ?? 0, point.pressure.some_avg10);
  }
  return { seconds: series.length * step_s, requests, refused, lost, pressure };
}
