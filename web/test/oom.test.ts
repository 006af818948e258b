import { describe, expect, it } from "vitest";
import { growth, killOf, LARGEST_SHOWN } from "../src/lib/oom";
import type { OomMoment } from "../src/model/wire";
import { killSample, processOf } from "./samples";

function moment(second: number, sizes: Record<number, number>): OomMoment {
  const largest = Object.entries(sizes).map(([pid, resident_bytes]) => {
    return { pid: Number(pid), name: `p${pid} at ${second}`, virtual_bytes: 0, resident_bytes };
  });
  return { timestamp: `2026-11-23T10:00:0${second}.000Z`, available_bytes: 0, largest };
}

describe("an OOM kill", () => {
  it("shows each of the largest processes over the moments before, under its latest name", () => {
    const rows = growth([moment(1, { 1: 50, 2: 10 }), moment(2, { 2: 90, 3: 20 })]);
    expect(rows).toEqual([
      { pid: 2, name: "p2 at 2", sizes: [10, 90] },
      { pid: 1, name: "p1 at 1", sizes: [50, null] },
      { pid: 3, name: "p3 at 2", sizes: [null, 20] },
    ]);
  });

  it("shows no more than the largest", () => {
    const sizes = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i + 1, i]));
    const rows = growth([moment(1, sizes)]);
    expect([rows.length, rows[0]?.pid]).toEqual([LARGEST_SHOWN, 30]);
    expect(growth([])).toEqual([]);
  });

  it("belongs to the process that was alive then, not to another one with that pid", () => {
    const ended = { ...processOf(7, "2026-11-23T10:00:00.000Z"), end_time: "2026-11-23T10:05:00.000Z" };
    const later = processOf(7, "2026-11-23T10:06:00.000Z");
    const kill = killSample(7, "2026-11-23T10:05:00.000Z");
    expect(killOf(ended, [kill])).toBe(kill);
    expect(killOf(later, [kill])).toBeNull();
    expect(killOf(processOf(8), [kill])).toBeNull();
  });
});
