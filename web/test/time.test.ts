import { describe, expect, it } from "vitest";
import { callRates, programMemory } from "../src/charts/historyData";
import { amountLabel, byteSteps, rateSteps, timeLabel } from "../src/charts/axes";
import { withGaps } from "../src/charts/timeOption";
import type { Programs } from "../src/model/history";
import { parseRoute, routeHash } from "../src/lib/route";
import { around, day, dragged, drawn, LIVE, stretch, timeFromQuery, timeToQuery, zoomedOut } from "../src/lib/time";

const call = (count: number, refused = 0) => ({ count, refused, requested_bytes: 0 });
const at = (second: number) => `2026-11-23T10:00:0${second}.000Z`;
const query = (text: string) => new URLSearchParams(text);

describe("the time that is shown", () => {
  it("is live with the last hour unless the address says otherwise", () => {
    expect(timeFromQuery(query(""))).toEqual(LIVE);
    expect(timeToQuery(LIVE)).toEqual({});
    expect(timeFromQuery(query("last=86400"))).toEqual({ kind: "live", seconds: 86_400 });
  });
  it("is a range only where the end comes after the beginning", () => {
    const range = { kind: "range", from: Date.parse("2026-11-24T10:00:00Z"), to: Date.parse("2026-11-24T11:00:00Z") } as const;
    expect(timeFromQuery(new URLSearchParams(timeToQuery(range)))).toEqual(range);
    for (const wrong of ["from=2026-11-24T11:00:00Z&to=2026-11-24T10:00:00Z", "from=x&to=y", "from=2026-11-24T11:00:00Z", "last=7"]) {
      expect(timeFromQuery(query(wrong))).toEqual(LIVE);
    }
  });
  it("is part of links, as is the host", () => {
    const route = parseRoute("#/processes?q=perl&last=21600&host=db%201");
    expect(route.query.toString()).toBe("q=perl");
    expect(route.host).toBe("db 1");
    expect(routeHash({ view: "requests", time: route.time, host: route.host })).toBe("#/requests?last=21600&host=db+1");
  });
  it("is the dragged range, in either direction, and never too short", () => {
    expect(dragged(9_000, 5_000)).toEqual({ kind: "range", from: 5_000, to: 9_000 });
    expect(dragged(5_000, 5_000)).toEqual({ kind: "range", from: 4_000, to: 6_000 });
    const clicked = stretch(around(100_000, { from: 0, to: 200_000 }), 0);
    expect(clicked).toEqual({ kind: "range", from: 85_000, to: 115_000 });
  });
  it("begins with the first data, but at least five minutes back, unless it was chosen", () => {
    const hour = { from: 0, to: 3_600_000 };
    expect(drawn(hour, 2_000_000, true)).toEqual({ from: 2_000_000, to: 3_600_000 });
    expect(drawn(hour, 3_599_000, true)).toEqual({ from: 3_300_000, to: 3_600_000 });
    expect(drawn(hour, 2_000_000, false)).toEqual(hour);
    expect(drawn(hour, undefined, true)).toEqual(hour);
  });
  it("does not go into the future when it is widened", () => {
    expect(zoomedOut({ from: 100, to: 200 }, 220)).toEqual({ kind: "range", from: 20, to: 220 });
  });
  it("is a whole local day, or today until now", () => {
    const now = new Date(2026, 10, 24, 15, 30).getTime();
    expect(day(now, 0)).toEqual({ kind: "range", from: new Date(2026, 10, 24).getTime(), to: now });
    expect(day(now, 1)).toEqual({ kind: "range", from: new Date(2026, 10, 23).getTime(), to: new Date(2026, 10, 24).getTime() });
  });
});

/** Labels of an axis of rates. */
function ticks(top: number): string[] {
  const { interval, max } = rateSteps(top);
  return Array.from({ length: Math.round(max / interval) + 1 }, (_, i) => amountLabel(i * interval, interval, false, "en"));
}

describe("charts of the history", () => {
  it("have a gap where a step is missing", () => {
    const points = [0, 10, 20, 50, 60].map((time) => ({ time, value: 1 }));
    expect(withGaps(points, 10)).toEqual([...points.slice(0, 3), { time: 30 }, ...points.slice(3)]);
  });
  it("have steps of powers of two for bytes", () => {
    expect(byteSteps(6.6 * 2 ** 30)).toEqual({ interval: 2 ** 31, max: 2 ** 33 });
    expect(byteSteps(0)).toEqual({ interval: 1024, max: 1024 });
  });
  it("label amounts with enough decimals to distinguish them", () => {
    expect(ticks(0.036)).toEqual(["0.00", "0.01", "0.02", "0.03", "0.04"]);
    expect(ticks(1.6)).toEqual(["0.0", "0.5", "1.0", "1.5", "2.0"]);
    expect(ticks(17_000)).toEqual(["0", "5,000", "10,000", "15,000", "20,000"]);
    expect(ticks(0)).toEqual(["0", "1"]);
    for (const top of [0.0000031, 0.25, 0.3, 0.7, 3, 4, 99, 1e9]) {
      const all = ticks(top);
      expect(new Set(all).size, `${top}: ${all.join(" ")}`).toBe(all.length);
      expect(all.length).toBeGreaterThan(3);
      expect(all.length).toBeLessThan(8);
    }
    expect(amountLabel(2 ** 31, 2 ** 31, true, "en")).toBe("2.00 GiB");
  });
  it("label times with seconds in short ranges, and with days in long ones", () => {
    const time = new Date(2026, 10, 24, 15, 30, 5).getTime();
    expect([90_000, 300_000].map((range) => timeLabel(time, range))).toEqual(["15:30:05", "15:30:05"]);
    expect(timeLabel(time, 3_600_000)).toBe("15:30");
    expect(timeLabel(time, 7 * 86_400_000)).toBe("11-24 15:30");
  });
  it("separate calls, combine rare ones, and mark lost requests", () => {
    const memory = {
      total_bytes: 0, available_bytes: 0, least_available_bytes: 0, free_bytes: 0, cached_bytes: 0, kernel_bytes: 0,
      programs_bytes: 0, swap_total_bytes: 0, swap_free_bytes: 0, pressure: null,
    };
    const machine = {
      step_s: 10,
      series: [
        { ...memory, timestamp: "1970-01-01T00:00:00.000Z", lost: 3, calls: { mmap: call(20, 10), shmat: call(5), mseal: call(5) } },
        { ...memory, timestamp: "1970-01-01T00:00:10.000Z", lost: 4, calls: { mmap: call(40) } },
      ],
    };
    const words = { others: "others", refused: "refused", lost: (n: number) => `${n} lost`, description: "" };
    const data = callRates(machine, { from: 0, to: 20_000 }, "light", "en", words);
    expect(data.series.map((one) => [one.key, one.values])).toEqual([
      ["mmap", [2, 4]],
      ["others", [1, 0]],
      ["refused", [1, 0]],
    ]);
    expect(data.marks).toEqual([{ from: 0, to: 20_000, label: "7 lost" }]);
  });
});

it("a step in which no program had memory is a gap, not a fall to zero", () => {
  const program = (name: string, values: number[]) => ({
    name,
    lives: 1,
    value: 5,
    series: values.map((value, second) => ({ timestamp: at(second), value })),
  });
  const programs: Programs = { by: "resident", step_s: 1, others: null, total: 9, programs: [program("a", [0, 5, 5, 0]), program("b", [0, 0, 4, 0])] };
  const shown = { from: Date.parse(at(0)), to: Date.parse(at(4)) };
  const { series } = programMemory(programs, shown, new Map(), "light", "en", "");
  expect(series.map(({ values }) => values)).toEqual([
    [null, 5, 5, null],
    [null, 0, 4, null],
  ]);
});
