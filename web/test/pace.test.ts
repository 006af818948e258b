import { describe, expect, it } from "vitest";
import { sparkPath } from "../src/lib/spark";
import { NO_PACES, paceOf, TRACE_MS, TRACE_POINTS, type Paces } from "../src/model/pace";
import { initialState, processKey, reduce, type LiveState } from "../src/model/state";
import type { Process } from "../src/model/wire";
import { processOf, snapshotOf, tickOf } from "./samples";

const BEGIN = Date.parse("2026-11-23T10:00:00.000Z");
const at = (second: number) => new Date(BEGIN + second * 1000).toISOString();

function begun(...processes: Process[]): LiveState {
  return reduce(initialState, { type: "snapshot", at: 1, snapshot: snapshotOf({ time: at(0), processes }) });
}

function ticked(state: LiveState, second: number, changed: Process[], removed: Process[] = []): LiveState {
  return reduce(state, { type: "tick", at: 1, tick: tickOf({ time: at(second), changed, removed }) });
}

const perl = processOf(1, at(-60));
const KEY = processKey(perl);
const pace = ({ paces }: { paces: Paces }, key = KEY) => paceOf(paces, key);

describe("the rate of a process", () => {
  it("is the growth of its counts since the last tick, and 0 when they do not change", () => {
    expect(pace(begun(perl))).toBeNull();
    const busy = ticked(begun(perl), 2, [{ ...perl, requests: 21, requested_bytes: 4096 * 11 }]);
    expect(pace(busy)).toMatchObject({ requests: 10, requested: 20_480 });
    expect(pace(ticked(busy, 3, []))).toMatchObject({ requests: 0, requested: 0 });
    expect(pace(ticked(begun(perl), 1, []))).toMatchObject({ requests: 0, requested: 0 });
  });

  it("counts all of a process that started since the last tick", () => {
    const fresh = { ...processOf(2, at(0.5)), requests: 5 };
    expect(pace(ticked(begun(perl), 1, [fresh]), processKey(fresh))?.requests).toBe(5);
  });

  it("is unknown for an old process that appears for the first time, or whose counts fell", () => {
    const late = { ...processOf(2, at(-60)), requests: 5_000 };
    expect(pace(ticked(begun(perl), 1, [late]), processKey(late))?.requests).toBeNull();
    expect(pace(ticked(begun(perl), 1, [{ ...perl, requests: 0 }]))?.requests).toBeNull();
  });

  it("starts again with a snapshot", () => {
    const busy = ticked(begun(perl), 1, [{ ...perl, requests: 9 }]);
    const again = reduce(busy, { type: "snapshot", at: 1, snapshot: snapshotOf({ time: at(60), processes: [perl] }) });
    expect(again.paces).toEqual({ ...NO_PACES, since: BEGIN + 60_000 });
  });

  it("is dropped with the trace when the process ends or is removed", () => {
    const busy = ticked(begun(perl), 1, [{ ...perl, resident_bytes: 8192 }]);
    expect(busy.paces.byKey.size).toBe(1);
    expect(ticked(busy, 2, [{ ...perl, state: "ended", end_time: at(2) }]).paces.byKey.size).toBe(0);
    expect(ticked(busy, 2, [], [perl]).paces.byKey.size).toBe(0);
  });
});

describe("the trace of a process", () => {
  it("has the resident set before and after each change", () => {
    let state = ticked(begun(perl), 1, []);
    state = ticked(state, 2, [{ ...perl, requests: 2 }]);
    expect(pace(state)?.trace).toEqual([]);
    state = ticked(state, 10, [{ ...perl, resident_bytes: 8192 }]);
    expect(pace(state)?.trace).toEqual([BEGIN + 2_000, 4096, BEGIN + 10_000, 8192]);
  });

  it("is bounded, and reaches back two minutes", () => {
    let state = begun(perl);
    for (let second = 1; second <= 400; second += 1) state = ticked(state, second, [{ ...perl, resident_bytes: 4096 * (second + 1) }]);
    const trace = pace(state)?.trace ?? [];
    expect(trace.length / 2).toBeLessThanOrEqual(TRACE_POINTS + 2);
    expect(trace.at(-1)).toBe(4096 * 401);
    const first = BEGIN + 400_000 - (trace[0] ?? 0);
    expect(first).toBeGreaterThanOrEqual(TRACE_MS);
    expect(first).toBeLessThan(TRACE_MS + 5_000);
  });

  it("begins when a new process is first reported", () => {
    const fresh = processOf(2, at(0.5));
    expect(pace(ticked(begun(perl), 1, [fresh]), processKey(fresh))?.trace).toEqual([BEGIN + 1_000, 4096]);
  });
});

describe("the picture of a trace", () => {
  const box = { width: 120, height: 10 };

  it("is a step line from the start of observation until now", () => {
    const path = sparkPath([BEGIN, 0, BEGIN + 60_000, 100], BEGIN - 200_000, BEGIN + 120_000, box);
    expect(path).toBe("M0 10H60V0H120");
  });

  it("is a line in the middle where nothing changed, from the start of the process", () => {
    expect(sparkPath([], BEGIN - 60_000, BEGIN, box)).toBe("M60 5H120");
  });

  it("does not blow up small changes", () => {
    const path = sparkPath([BEGIN, 1_000_000, BEGIN + 60_000, 1_010_000], BEGIN, BEGIN + 120_000, box);
    expect(path).toBe("M0 6H60V4H120");
  });
});
