import { describe, expect, it } from "vitest";
import { sums } from "../src/lib/machine";
import { unwatched, watches, type Watch } from "../src/lib/runs";
import type { Run } from "../src/model/history";

const NOON = Date.parse("2026-11-23T12:00:00Z");
const at = (second: number) => NOON + 1000 * second;

function run(hostname: string, from: number, to: number): Run {
  const [first_time, last_time] = [from, to].map((second) => new Date(at(second)).toISOString());
  return { hostname, kernel: "6.12", first_time: first_time ?? "", last_time: last_time ?? "", requests: 3, refused: 1, lost: 0 };
}

function drawn(watched: readonly Watch[]) {
  return watched.map((watch) => {
    const word = watch.kind === "absence" ? "-" : watch.isCurrent ? ">" : "|";
    return `${(watch.from - NOON) / 1000}${word}${(watch.to - NOON) / 1000}`;
  });
}

const hour = { from: at(0), to: at(3600) };

describe("the runs of a range", () => {
  it("have the time between them as absence, latest first", () => {
    const watched = watches([run("vm", 2000, 3598), run("vm", -500, 900)], hour);
    expect(drawn(watched)).toEqual(["2000>3598", "900-2000", "-500|900"]);
    expect(unwatched(watched)).toBe(1_100_000);
  });

  it("ignore a short gap between two runs, and the last seconds, which are not stored yet", () => {
    expect(drawn(watches([run("vm", 0, 1000), run("vm", 1004, 3592)], hour))).toEqual(["1004>3592", "0|1000"]);
  });

  it("begin and end with an absence if memtap ran only in between", () => {
    const watched = watches([run("vm", 100, 200)], hour);
    expect(drawn(watched)).toEqual(["200-3600", "100|200", "0-100"]);
    expect(unwatched(watched)).toBe(3_500_000);
  });

  it("may overlap, without an absence", () => {
    expect(drawn(watches([run("vm", 0, 3600), run("vm", 500, 600)], hour))).toEqual(["500|600", "0>3600"]);
  });

  it("are separate for each host", () => {
    const watched = watches([run("a", 0, 3600), run("b", 1800, 3600)], hour);
    expect(drawn(watched)).toEqual(["0>3600", "1800>3600", "0-1800"]);
    expect(unwatched(watched)).toBe(1_800_000);
    expect(watches([], hour)).toEqual([]);
    expect(unwatched([])).toBe(0);
  });
});

describe("the machine's steps", () => {
  it("are summed over all calls, with the highest pressure", () => {
    const step = { total_bytes: 1, available_bytes: 1, least_available_bytes: 1, free_bytes: 0, cached_bytes: 0, kernel_bytes: 0, programs_bytes: 0, swap_total_bytes: 0, swap_free_bytes: 0, timestamp: "" };
    const calls = { mmap: { count: 4, requested_bytes: 1, refused: 1 }, brk: { count: 2, requested_bytes: 0, refused: 0 } };
    const series = [
      { ...step, pressure: { some_avg10: 2, full_avg10: 1 }, lost: 5, calls },
      { ...step, pressure: null, lost: 2, calls: {} },
    ];
    expect(sums({ step_s: 10, series })).toEqual({ seconds: 20, requests: 6, refused: 1, lost: 7, pressure: 2 });
    expect(sums({ step_s: 10, series: [] })).toEqual({ seconds: 0, requests: 0, refused: 0, lost: 0, pressure: null });
  });
});
