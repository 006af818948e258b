/** When memtap was there to see, and when nobody was. Pure. */
import type { Run } from "../model/history";

/** What is shorter is no absence: between two seconds that were told, and until the latest one is in the history. */
export const LEAST_ABSENCE_MS = 10_000;

export type Watch =
  | { kind: "run"; run: Run; from: number; to: number; /** Whether it told of the last moment too. */ goesOn: boolean }
  | { kind: "absence"; hostname: string; from: number; to: number };

/** The runs on each machine and the time between them in `from` to `to`, latest first, machine by machine. */
export function watches(runs: readonly Run[], { from, to }: { from: number; to: number }): Watch[] {
  const hosts = [...new Set(runs.map((run) => run.hostname))];
  return hosts.flatMap((hostname) => ofHost(hostname, runs.filter((run) => run.hostname === hostname), from, to).toReversed());
}

function ofHost(hostname: string, runs: readonly Run[], from: number, to: number): Watch[] {
  const found: Watch[] = [];
  let until = from;
  const absence = (next: number) => {
    if (next - until >= LEAST_ABSENCE_MS) found.push({ kind: "absence", hostname, from: until, to: next });
  };
  for (const run of runs.toSorted((a, b) => (a.first_time < b.first_time ? -1 : 1))) {
    const [began, last] = [Date.parse(run.first_time), Date.parse(run.last_time)];
    absence(began);
    found.push({ kind: "run", run, from: began, to: last, goesOn: to - last < LEAST_ABSENCE_MS });
    until = Math.max(until, last);
  }
  absence(to);
  return found;
}

/** Milliseconds of the range in which nobody watched, on the machine that was watched least. */
export function unwatched(watched: readonly Watch[]): number {
  const byHost = new Map<string, number>();
  for (const watch of watched) {
    if (watch.kind === "absence") byHost.set(watch.hostname, (byHost.get(watch.hostname) ?? 0) + watch.to - watch.from);
  }
  return Math.max(0, ...byHost.values());
}
