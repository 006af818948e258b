import { describe, expect, it } from "vitest";
import { lostSpans } from "../src/charts/rateOption";
import { assignColours, SLOTS } from "../src/model/colours";
import type { RatePoint } from "../src/model/rates";
import { initialState, KILL_LIMIT, processKey, reduce, type LiveState } from "../src/model/state";
import { appended, emptyStream, restarted, STREAM_LIMIT } from "../src/model/stream";
import { health, killSample, processOf, requestOf, snapshotOf, tickOf } from "./samples";

function started(): LiveState {
  const snapshot = snapshotOf({ processes: [processOf(1), processOf(2)], requests: [requestOf({ pid: 1 })] });
  return reduce(initialState, { type: "snapshot", at: 1_000, snapshot });
}

describe("the state", () => {
  it("starts with everything in a snapshot", () => {
    const state = started();
    expect([...state.processes.values()].map((process) => process.pid)).toEqual([1, 2]);
    expect(state.stream.items).toHaveLength(1);
    expect(state.heardAt).toBe(1_000);
    expect(state.connected).toBe(true);
  });

  it("adds changed processes and deletes removed ones", () => {
    const before = started();
    const changed = { ...processOf(2), virtual_bytes: 99 };
    const tick = tickOf({ changed: [changed, processOf(3)], removed: [processOf(1)] });
    const after = reduce(before, { type: "tick", at: 2_000, tick });
    expect([...after.processes.keys()]).toEqual([processKey(processOf(2)), processKey(processOf(3))]);
    expect(after.processes.get(processKey(processOf(2)))?.virtual_bytes).toBe(99);
    expect(before.processes.size).toBe(2);
  });

  it("distinguishes two processes with one pid", () => {
    const second = processOf(1, "2026-11-23T11:00:00.000Z");
    const after = reduce(started(), { type: "tick", at: 2_000, tick: tickOf({ changed: [second] }) });
    expect([...after.processes.values()].filter((process) => process.pid === 1)).toHaveLength(2);
  });

  it("keeps the same map of processes when nothing changed, so that nothing is redrawn", () => {
    const before = started();
    expect(reduce(before, { type: "tick", at: 2_000, tick: tickOf({}) }).processes).toBe(before.processes);
  });

  it("ignores a tick before the first snapshot", () => {
    expect(reduce(initialState, { type: "tick", at: 1, tick: tickOf({}) })).toBe(initialState);
  });

  it("keeps its data while disconnected, and the reason", () => {
    const after = reduce(started(), { type: "disconnected", problem: "transport close" });
    expect(after).toMatchObject({ connected: false, problem: "transport close" });
    expect(after.processes.size).toBe(2);
  });

  it("computes refused and lost requests per second from the counters", () => {
    const tick = tickOf({ time: "2026-11-23T10:00:02.000Z", health: health({ refused: 4, lost: 7 }) });
    const after = reduce(started(), { type: "tick", at: 2_000, tick });
    expect(after.rates.at(-1)).toMatchObject({ refused: 2, lost: 7 });
    expect(after.refusedPerSecond).toBe(2);
  });

  it("leaves a gap where ticks are missing", () => {
    const tick = tickOf({ time: "2026-11-23T10:00:09.000Z" });
    const after = reduce(started(), { type: "tick", at: 2_000, tick });
    expect(after.rates.map((point) => point.requests)).toEqual([5, null, 5]);
  });

  it("has no negative rates when memtap restarts", () => {
    const first = tickOf({ time: "2026-11-23T10:00:01.000Z", health: health({ refused: 50 }) });
    const second = tickOf({ time: "2026-11-23T10:00:02.000Z", health: health({ refused: 0 }) });
    const before = reduce(started(), { type: "tick", at: 1, tick: first });
    expect(reduce(before, { type: "tick", at: 2, tick: second }).refusedPerSecond).toBe(0);
  });
});

describe("the OOM kills", () => {
  it("are appended up to a limit, and replaced by a snapshot", () => {
    const first = killSample(1, "2026-11-23T10:00:00.000Z");
    const before = reduce(initialState, { type: "snapshot", at: 1, snapshot: snapshotOf({ oom_kills: [first] }) });
    const quiet = reduce(before, { type: "tick", at: 2, tick: tickOf({}) });
    expect(quiet.oomKills).toBe(before.oomKills);
    const many = Array.from({ length: KILL_LIMIT }, (_, i) => killSample(i + 2, "2026-11-23T10:00:01.000Z"));
    const after = reduce(quiet, { type: "tick", at: 3, tick: tickOf({ oom_kills: many }) });
    expect([after.oomKills.length, after.oomKills[0]?.pid]).toEqual([KILL_LIMIT, 2]);
    expect(reduce(after, { type: "snapshot", at: 4, snapshot: snapshotOf({}) }).oomKills).toEqual([]);
  });
});

describe("the stream", () => {
  it("keeps the latest requests up to its limit", () => {
    const many = Array.from({ length: STREAM_LIMIT + 5 }, (_, i) => requestOf({ pid: i }));
    const stream = appended(emptyStream, "t", many, 0);
    expect(stream.items).toHaveLength(STREAM_LIMIT);
    expect(stream.items[0]).toMatchObject({ seq: 6, request: { pid: 5 } });
    expect(appended(stream, "t", [requestOf({})], 0).items).toHaveLength(STREAM_LIMIT);
  });

  it("counts skipped requests, and has a line for them", () => {
    const stream = appended(emptyStream, "t", [requestOf({})], 40);
    expect(stream.items.at(-1)).toMatchObject({ kind: "skipped", count: 40 });
    expect(stream.received).toBe(41);
  });

  it("has a line with the number and the process of lost requests", () => {
    const requests = [requestOf({ pid: 1 }), requestOf({ pid: 2, lost_before: 1234 })];
    const stream = appended(emptyStream, "t", requests, 0);
    expect(stream.items.map((item) => item.kind)).toEqual(["request", "lost", "request"]);
    expect(stream.items[1]).toMatchObject({ seq: 2, count: 1234, owner: { pid: 2, process_name: "perl" } });
    expect([stream.lastSeq, stream.received]).toEqual([3, 2]);
  });

  it("starts again after a reconnect, with a line for the gap", () => {
    const stream = restarted(appended(emptyStream, "t", [requestOf({})], 0), "t", [requestOf({ pid: 8 })]);
    expect(stream.items.map((item) => item.kind)).toEqual(["gap", "request"]);
    expect(stream.items.map((item) => item.seq)).toEqual([2, 3]);
  });
});

describe("colours", () => {
  const names = Array.from({ length: SLOTS }, (_, i) => `program ${i}`);

  it("are ten different ones", () => {
    expect(new Set(assignColours(new Map(), names).values()).size).toBe(SLOTS);
  });

  it("stay with their programs when the order changes", () => {
    const before = assignColours(new Map(), names);
    expect(assignColours(before, names.toReversed())).toBe(before);
  });

  it("pass from a program that left to a new one, and no other changes", () => {
    const before = assignColours(new Map(), names);
    const after = assignColours(before, [...names.slice(1), "new"]);
    expect(after.get("new")).toBe(before.get("program 0"));
    expect(after.has("program 0")).toBe(false);
    for (const name of names.slice(1)) expect(after.get(name)).toBe(before.get(name));
  });
});

function rated(time: number, lost: number): RatePoint {
  return { time, lost, requests: 1, refused: 0 };
}

describe("lost seconds", () => {
  it("are joined when they are neighbours", () => {
    const points = [rated(1000, 0), rated(2000, 3), rated(3000, 4), rated(4000, 0), rated(5000, 1)];
    expect(lostSpans(points)).toEqual([
      { from: 1000, to: 3000, lost: 7 },
      { from: 4000, to: 5000, lost: 1 },
    ]);
  });
});
