import { describe, expect, it } from "vitest";
import { PAST_LIMIT, TICKS_KEPT, focusOn, withTick } from "../src/model/focus";
import { keyParts, processKey } from "../src/model/key";
import { initialState, reduce, type LiveEvent, type LiveState } from "../src/model/state";
import { emptyStream } from "../src/model/stream";
import type { MemoryRequest, Process } from "../src/model/wire";
import { processOf, requestOf, snapshotOf, tickOf } from "./samples";

const BEGIN = Date.parse("2026-11-23T10:00:00.000Z");
const at = (second: number) => new Date(BEGIN + second * 1000).toISOString();
const perl = processOf(7, at(-60));
const request = (pid: number, second: number, size = 4096) => requestOf({ pid, timestamp: at(second), memory_size: size });

function after(state: LiveState, ...events: LiveEvent[]): LiveState {
  return events.reduce(reduce, state);
}

const tick = (second: number, requests: MemoryRequest[], part: { skipped?: number; changed?: Process[] } = {}): LiveEvent => ({
  type: "tick", at: 1, tick: tickOf({ time: at(second), requests, ...part }),
});
const focused = (second: number, requests: MemoryRequest[], skipped = 0): LiveEvent => ({
  type: "focused", focused: { time: at(second), pid: 7, requests, skipped },
});
const base = reduce(initialState, { type: "snapshot", at: 1, snapshot: snapshotOf({ time: at(0), processes: [perl], requests: [request(7, -1), request(8, -1), request(7, -99)] }) });
const looking = reduce(base, { type: "focus", id: perl });

const calls = (count: number, refused = 0) => ({ mmap: { count, refused, requested_bytes: 0 }, brk: { count: 5, refused: 0, requested_bytes: 0 } });

function lines(state: LiveState): (string | number)[] {
  return (state.focus?.stream.items ?? []).map((item) => (item.kind === "request" ? (Date.parse(item.request.timestamp) - BEGIN) / 1000 : item.kind));
}

describe("the focused process", () => {
  it("begins with its requests in the general stream, without those of an earlier process with its pid", () => {
    expect(lines(looking)).toEqual([-1]);
    expect(lines(after(looking, tick(1, [request(8, 0.5), request(7, 0.6)], { skipped: 9 })))).toEqual([-1, 0.6, "skipped"]);
  });

  it("has all its requests since the first focused event, each once, however busy other processes are", () => {
    const flood = Array.from({ length: 1000 }, (_, i) => request(8, 1 + i / 1000));
    const state = after(looking, tick(1, [request(7, 0.5)]), focused(2, [request(7, 1.5)]), tick(2, [...flood, request(7, 1.5)], { skipped: 50_000 }), focused(3, [], 4), tick(3, []));
    expect(lines(state)).toEqual([-1, 0.5, 1.5, "skipped"]);
    expect(state.stream.received, "everybody's are as they were").toBe(3 + 1 + 51_001);
    expect(reduce(state, { type: "focused", focused: { time: at(4), pid: 8, requests: [request(8, 3)], skipped: 0 } }).focus).toBe(state.focus);
  });

  it("starts again after a snapshot, since requests in between are unknown", () => {
    const again: LiveEvent = { type: "snapshot", at: 1, snapshot: snapshotOf({ time: at(60), processes: [perl], requests: [request(7, 59)] }) };
    const state = after(looking, focused(2, [request(7, 1.5)]), again);
    expect(lines(state)).toEqual(["gap", 59]);
    expect(state.focus?.since).toBeNull();
    expect(lines(after(state, tick(61, [request(7, 60.5)]), focused(62, [request(7, 61.5)])))).toEqual(["gap", 59, 60.5, 61.5]);
  });

  it("gets earlier requests from the history", () => {
    const state = after(looking, tick(1, [request(7, 0.5)], { skipped: 9 }), focused(2, [request(7, 2.5)]));
    const past = [request(7, 2.5), request(7, 1.7), request(7, 0.5), { ...request(7, -30), lost_before: 3 }];
    const complete = reduce(state, { type: "focus_past", key: processKey(perl), requests: past });
    expect(lines(complete)).toEqual(["lost", -30, 0.5, 1.7, 2.5]);
    const numbers = complete.focus?.stream.items.map(({ seq }) => seq) ?? [];
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers);
    expect(reduce(state, { type: "focus_past", key: "8@x", requests: past })).toBe(state);
    const many = Array.from({ length: PAST_LIMIT }, (_, i) => ({ ...request(7, 1 - i / 1000), lost_before: 1 }));
    const all = reduce(state, { type: "focus_past", key: processKey(perl), requests: many }).focus?.stream.items ?? [];
    expect(new Set(all.map(({ seq }) => seq)).size).toBe(2 * PAST_LIMIT + 1);
  });

  it("counts its calls since the focus began", () => {
    const known = { ...perl, calls: calls(10) };
    const state = after(reduce(base, tick(1, [], { changed: [known] })), { type: "focus", id: perl }, tick(2, [], { changed: [{ ...perl, calls: calls(13, 2) }] }), tick(3, []), tick(4, [], { changed: [{ ...perl, calls: calls(14, 2) }] }));
    expect(state.focus?.ticks).toEqual([
      { time: BEGIN + 2000, calls: { mmap: { count: 3, refused: 2 } } },
      { time: BEGIN + 4000, calls: { mmap: { count: 1, refused: 0 } } },
    ]);
    expect(state.focus?.ticksFrom).toBe(BEGIN + 1000);
  });

  it("drops the oldest ticks, and knows since when they are complete", () => {
    let focus = focusOn(perl, emptyStream, at(0));
    let before = perl;
    for (let n = 1; n <= TICKS_KEPT + 5; n += 1) {
      const now = { ...perl, calls: { brk: { count: n, refused: 0, requested_bytes: 0 } } };
      focus = withTick(focus, before, now, { time: at(n), requests: [], skipped: 0 });
      before = now;
    }
    expect(focus.ticks.length).toBe(TICKS_KEPT);
    expect([focus.ticksFrom, focus.ticks[0]?.time]).toEqual([BEGIN + 5000, BEGIN + 6000]);
  });

  it("records that the server refused the focus", () => {
    const refused = reduce(looking, { type: "focus_refused" });
    expect(refused.focus?.isRefused).toBe(true);
    expect(lines(reduce(refused, tick(1, [request(7, 0.5)])))).toEqual([-1, 0.5]);
    expect(reduce(refused, { type: "focus", id: null }).focus).toBeNull();
  });
});

describe("the key of a process", () => {
  it("contains the host if it is another one", () => {
    expect(keyParts(processKey(perl))).toEqual({ pid: 7, start_time: perl.start_time, host: undefined });
    expect(keyParts("7@2026-11-23T10:00:00.000Z@db 1@x")).toEqual({ pid: 7, start_time: "2026-11-23T10:00:00.000Z", host: "db 1@x" });
    for (const wrong of ["", "7", "x@y", "7@"]) expect(keyParts(wrong)).toBeNull();
  });
});
