import { describe, expect, it } from "vitest";
import { moments, timeline } from "../src/charts/usageData";
import { timeOption } from "../src/charts/timeOption";
import { histogram } from "../src/lib/histogram";
import type { Usage } from "../src/model/history";

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

function usageAt(...seconds: number[]): Usage {
  return { step_s: 10, series: seconds.map(stepAt) };
}

describe("a process over time", () => {
  it("has what it had while nothing is told of it, and asks for nothing then", () => {
    const told = moments(usageAt(0, 10, 60), NOON + 100_000);
    expect(told.map(({ time, isStill }) => [(time - NOON) / 1000, isStill])).toEqual([
      [0, false],
      [10, false],
      [20, true],
      [50, true],
      [60, false],
      [70, true],
      [100, true],
    ]);
    const words = { anonymous: "a", file: "f", shmem: "s", virtual: "v", peak: "p", requests: "r", refused: "x" };
    const charts = timeline(usageAt(0, 30), NOON + 40_000, { from: NOON, to: NOON + 40_000 }, [], "light", "en", words);
    expect(charts.requests.series.map(({ values }) => values)).toEqual([
      [2, 0, 0, 2],
      [1, 0, 0, 1],
    ]);
    expect(charts.resident.series.at(-1)?.values, "a peak that the end of the step does not show").toEqual([6000, null, null, null]);
    expect(charts.virtual.series[0]?.values).toEqual([8192, 8192, 8192, 8192]);
    const drawn = timeOption(charts.resident, "light")["series"] as { symbol?: string; lineStyle: { width: number }; stack?: string }[];
    expect(drawn.at(-1)).toMatchObject({ symbol: "rect", lineStyle: { width: 0 } });
    expect(drawn.map(({ stack }) => stack)).toEqual(["all", "all", "all", undefined]);
  });

  it("asks for sizes of each power of two, refused ones apart", () => {
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
