/** Times when memtap was running, and the times between them. Pure. */
import type { Run } from "../model/history";

/**
 * Shorter times are not an absence: samples are a second apart, and the latest ones are not in the
 * history yet.
 */
export const LEAST_ABSENCE_MS = 10_000;

export type Watch =
  | { kind: "run"; run: Run; from: number; to: number; /** It still runs at the end of the range. */ isCurrent: boolean }
  | { kind: "absence"; hostname: string; from: number; to: number };

/** The runs and the absences between them in the range, host by host, the latest first. */
export function watches(runs: readonly Run[], { from, to }: { from: number; to: number }): Watch[] {
  const hosts = [...new Set(runs.map((run) => run.hostname))];
  return hosts.flatMap((hostname) => watchesOfHost(hostname, runs.filter((run) => run.hostname === hostname), from, to).toReversed());
}

function watchesOfHost(hostname: string, runs: readonly Run[], from: number, to: number): Watch[] {
  const watched: Watch[] = [];
  let until = from;
  const absence = (next: number) => {
    if (next - until >= LEAST_ABSENCE_MS) watched.push({ kind: "absence", hostname, from: until, to: next });
  };
  for (const run of runs.toSorted((a, b) => (a.first_time < b.first_time ? -1 : 1))) {
    const [began, last] = [Date.parse(run.first_time), Date.parse(run.last_time)];
    absence(began);
    watched.push({ kind: "run", run, from: began, to: last, isCurrent: to - last < LEAST_ABSENCE_MS });
    until = Math.max(until, last);
  }
  absence(to);
  return watched;
}

/** Milliseconds of the range without memtap, on the host where this is longest. */
export function unwatched(watched: readonly Watch[]): number {
  const byHost = new Map<string, number>();
  for (const watch of watched) {
    if (watch.kind === "absence") byHost.set(watch.hostname, (byHost.get(watch.hostname) ?? 0) + watch.to - watch.from);
  }
  return Math.max(0, ...byHost.values());
}
