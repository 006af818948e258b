import { describe, expect, it } from "vitest";
import { callChart, callSteps, missingOf } from "../src/charts/callData";
import { moments, timeline, type TimelineSource } from "../src/charts/usageData";
import { timeOption } from "../src/charts/timeOption";
import { histogram } from "../src/lib/histogram";
import type { ProcessCalls, Usage } from "../src/model/history";

const NOON = Date.parse("2026-11-23T12:00:00.000Z");

function stepAt(second: number): Usage["series"][number] {
  return {
    timestamp: new Date(NOON + second * 1000).toISOString(),
    virtual_bytes: 8192,
    resident_bytes: 4096,
    anonymous_bytes: 4096,
    file_bytes: 0,
    shmem_bytes: 0,
    swap_bytes: 0,
    peak_virtual_bytes: 8192,
    peak_resident_bytes: second === 0 ? 6000 : 4096,
    requests: 20,
    refused: 10,
    requested_bytes: 0,
    granted_bytes: 0,
    released_bytes: 0,
    minor_faults: 0,
    major_faults: 0,
  };
}

const at = (second: number) => new Date(NOON + second * 1000).toISOString();

/** Steps of ten seconds. `watched` lists the periods in which memtap was running. */
function usageAt(seconds: number[], watched: [from: number, to: number][] = [[0, 100]]): Usage {
  return { step_s: 10, series: seconds.map(stepAt), watched: watched.map(([from, to]) => ({ from: at(from), to: at(to) })) };
}

type Counted = ProcessCalls["series"][number]["calls"];

function callsAt(series: [second: number, calls: Counted][], part: Partial<ProcessCalls> = {}): ProcessCalls {
  const rows = series.flatMap(([, calls]) => Object.values(calls)).reduce((sum, { count }) => sum + count, 0);
  return { step_s: 10, series: series.map(([second, calls]) => ({ timestamp: at(second), calls })), names: [], rows, since: null, cut: false, ...part };
}

const words = {
  anonymous: "a", file: "f", shmem: "s", virtual: "v", peak: "p", others: "o", refused: "x", all: "all", description: "", killed: "killed",
  renamed: (name: string) => `→ ${name}`,
  renamedAbout: (name: string, time: string) => `${name} since ${time}`,
};

function timelineOf(part: Partial<TimelineSource>) {
  const shown = { from: NOON, to: NOON + 100_000 };
  const source = { usage: usageAt([]), calls: null, live: null, killed: null, until: shown.to, shown, ...part };
  return timeline(source, "light", "en", words);
}

describe("a process over time", () => {
  it("keeps its sizes while nothing is reported, and makes no requests then", () => {
    const points = moments(usageAt([0, 10, 60]), NOON + 100_000);
    expect(points.map(({ time, isStill }) => [(time - NOON) / 1000, isStill])).toEqual([
      [0, false],
      [10, false],
      [20, true],
      [50, true],
      [60, false],
      [70, true],
      [100, true],
    ]);
    const calls = callsAt([[0, { mmap: { count: 15, refused: 10 }, brk: { count: 5, refused: 0 } }], [30, { mmap: { count: 20, refused: 10 } }]]);
    const charts = timelineOf({ usage: usageAt([0, 30]), calls, until: NOON + 40_000 });
    expect(charts.requests.series.map(({ key, values }) => [key, values])).toEqual([
      ["mmap", [1.5, 0, 0, 2]],
      ["brk", [0.5, 0, 0, 0]],
      ["refused", [1, 0, 0, 1]],
    ]);
    expect(charts.resident.series.at(-1)?.values, "a peak that the end of the step does not show").toEqual([6000, null, null, null]);
    expect(charts.virtual.series[0]?.values).toEqual([8192, 8192, 8192, 8192]);
    const drawn = timeOption(charts.resident, "light")["series"] as { symbol?: string; lineStyle: { width: number }; stack?: string }[];
    expect(drawn.at(-1)).toMatchObject({ symbol: "rect", lineStyle: { width: 0 } });
    expect(drawn.map(({ stack }) => stack)).toEqual(["all", "all", "all", undefined]);
  });

  it("shows its earlier sizes in a range in which nothing happens", () => {
    const before = { ...stepAt(0), requests: 0, refused: 0 };
    const charts = timelineOf({ usage: { ...usageAt([]), series: [before] } });
    expect(charts.resident.times).toEqual([0, 10, 100].map((second) => NOON + second * 1000));
    expect(charts.resident.series[0]?.values).toEqual([4096, 4096, 4096]);
    expect(charts.requests.series, "it asks for nothing").toEqual([]);
  });

  it("has a gap while memtap was not running", () => {
    const usage = usageAt([0, 70], [[0, 30], [70, 100]]);
    const points = moments(usage, NOON + 100_000).map(({ time, step }) => [(time - NOON) / 1000, step !== null]);
    expect(points).toEqual([[0, true], [10, true], [30, true], [30.001, false], [70, true], [80, true], [100, true]]);
    const chart = timelineOf({ usage, calls: callsAt([[0, { mmap: { count: 20, refused: 0 } }], [70, { mmap: { count: 20, refused: 0 } }]]) });
    expect(chart.requests.series[0]?.values).toEqual([2, 0, 0, null, null, null, null, 2, 0, 0]);
    const short = moments(usageAt([0, 10], [[0, 10], [10, 20]]), NOON + 20_000);
    expect(short.every(({ step }) => step !== null), "stretches that touch are no gap").toBe(true);
  });

});

describe("requests of a process by call", () => {
  it("come from live counts since the first complete step", () => {
    const stored = callsAt([[0, { mmap: { count: 4, refused: 0 } }], [10, { mmap: { count: 7, refused: 0 } }], [20, { mmap: { count: 1, refused: 0 } }]]);
    const ticks = [12, 21, 29, 30].map((second) => ({ time: NOON + second * 1000, calls: { brk: { count: second, refused: 1 } } }));
    const steps = callSteps(stored, { ticks, ticksFrom: NOON + 11_000 }, 10_000);
    expect([...steps].map(([time, calls]) => [(time - NOON) / 1000, calls])).toEqual([
      [0, { mmap: { count: 4, refused: 0 } }],
      [10, { mmap: { count: 7, refused: 0 } }],
      [20, { brk: { count: 50, refused: 2 } }],
      [30, { brk: { count: 30, refused: 1 } }],
    ]);
  });

  it("are reported as incomplete where the history has fewer, with a line for all", () => {
    const usage = usageAt([0, 10]);
    const some = callSteps(callsAt([[10, { mmap: { count: 20, refused: 10 } }]]), null, 10_000);
    expect(missingOf(some, usage)).toEqual({ counted: 20, made: 40 });
    const shown = { from: NOON, to: NOON + 20_000 };
    const chart = callChart({ usage, steps: some, until: shown.to, shown, marks: [] }, "light", "en", words);
    expect(chart.series.map(({ key, values }) => [key, values])).toEqual([["mmap", [0, 2]], ["all", [2, 2]], ["refused", [1, 1]]]);
    const nearly = callSteps(callsAt([[0, { brk: { count: 39, refused: 0 } }]]), null, 10_000);
    expect(missingOf(nearly, usage), "the last are on their way").toBeNull();
  });

  it("exist for an import, which has no other data", () => {
    const usage = { step_s: 10, series: [], watched: [] };
    const charts = timelineOf({ usage, calls: callsAt([[20, { mmap: { count: 10, refused: 0 } }]]), until: NOON + 40_000 });
    expect(charts.resident.times).toEqual([]);
    expect(charts.requests.times.map((time) => (time - NOON) / 1000)).toEqual([20, 30]);
    expect(charts.requests.series[0]?.values).toEqual([1, 0]);
  });

  it("have flags for new names and for an OOM kill, as text and never as markup", () => {
    const names = ["sh", "a{b|c}", "x"].map((name, i) => ({ name, timestamp: at(i) }));
    const { resident, requests } = timelineOf({ usage: usageAt([0]), calls: callsAt([], { names }), killed: at(50) });
    expect(resident.marks.map(({ from, label }) => [(from - NOON) / 1000, label])).toEqual([[1, "→ a❴b|c❵"], [2, "→ x"], [50, "killed"]]);
    const drawn = timeOption(resident, "light")["series"] as { markLine?: { data: { label: { show: boolean; color: string } }[] } }[];
    const flags = drawn[0]?.markLine?.data.map(({ label }) => label) ?? [];
    expect(flags.map(({ show }) => show), "labels that would lie upon each other are not written").toEqual([true, true, false]);
    expect(flags[0]?.color, "only an end by the kernel is red").not.toBe(flags[1]?.color);
    expect(requests.marks.every(({ isQuiet }) => isQuiet === true)).toBe(true);
  });

});

describe("sizes that a process asks for", () => {
  it("are counted by power of two, refused ones separately", () => {
    const bars = histogram([
      { call: "brk", from_bytes: 0, count: 3, refused: 0, bytes: 0 },
      { call: "mmap", from_bytes: 4096, count: 2, refused: 2, bytes: 8192 },
      { call: "mmap", from_bytes: 16384, count: 2, refused: 1, bytes: 32768 },
      { call: "munmap", from_bytes: 16384, count: 5, refused: 0, bytes: 81920 },
    ]);
    expect(bars.map(({ from, count, refused }) => [from, count, refused])).toEqual([
      [0, 3, 0],
      [4096, 2, 2],
      [8192, 0, 0],
      [16384, 7, 1],
    ]);
    expect(bars.map(({ granted }) => granted)).toEqual([
      [{ call: "brk", count: 3 }],
      [],
      [],
      [
        { call: "munmap", count: 5 },
        { call: "mmap", count: 1 },
      ],
    ]);
    const far = { call: "mmap" as const, count: 1, refused: 0, bytes: 0 };
    const apart = histogram([{ ...far, from_bytes: 4096 }, { ...far, from_bytes: 2 ** 50 }, { ...far, from_bytes: 2 ** 52 }]);
    expect(apart.map(({ from }) => Math.log2(from)), "a long stretch is left out").toEqual([12, 50, 51, 52]);
    expect(histogram([])).toEqual([]);
  });
});
