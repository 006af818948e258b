/** Data for the page about an OOM kill. Pure. */
import type { OomKill, OomMoment, Process } from "../model/wire";

/** More rows would not help to find the process that used the memory. */
export const LARGEST_SHOWN = 10;

/** One process in the seconds before a kill. */
export interface GrowthRow {
  pid: number;
  name: string;
  /** Resident set in each sample; null if the process was not among the largest. */
  sizes: readonly (number | null)[];
}

/** The largest processes before a kill, one row for each, the largest first. */
export function growth(before: readonly OomMoment[]): GrowthRow[] {
  const rows = new Map<number, { pid: number; name: string; sizes: (number | null)[] }>();
  for (const [i, moment] of before.entries()) {
    for (const { pid, name, resident_bytes } of moment.largest) {
      const row = rows.get(pid) ?? { pid, name, sizes: before.map(() => null) };
      row.name = name;
      row.sizes[i] = resident_bytes;
      rows.set(pid, row);
    }
  }
  const most = (row: GrowthRow) => Math.max(...row.sizes.map((size) => size ?? 0));
  return [...rows.values()].toSorted((a, b) => most(b) - most(a) || a.pid - b.pid).slice(0, LARGEST_SHOWN);
}

/**
 * The OOM kill of this process, or null. It matches pid and lifetime, because the kernel reuses
 * pids.
 */
export function killOf(process: Process, kills: readonly OomKill[]): OomKill | null {
  const { pid, start_time, end_time } = process;
  const isOurs = (kill: OomKill) =>
    kill.pid === pid && kill.timestamp >= start_time && (end_time === null || kill.timestamp <= end_time);
  return kills.find(isOurs) ?? null;
}
