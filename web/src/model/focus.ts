/** The process that the page looks at: its requests, which no neighbour's flood hides, and its calls since the page began to look. Pure. */
import { passing, type RequestTest } from "../lib/requests";
import { processKey, type ProcessKey } from "./key";
import { appended, emptyStream, type Stream, type StreamItem } from "./stream";
import type { CallTotals, FocusedRequests, MemoryRequest, Process, ProcessId } from "./wire";

/** An hour of ticks; of what was before, the history tells. */
export const TICKS_KEPT = 3_600;
/** Of its requests before the page looked, so many are read from the history. */
export const PAST_LIMIT = 300;
/** Room for their numbers: each may have a line of lost ones before it. */
const PAST_NUMBERS = 2 * PAST_LIMIT;

/** How many requests of each call, and how many of them were refused. */
export type CallCounts = Readonly<Record<string, Pick<CallTotals, "count" | "refused">>>;

/** What a process called within the tick that ended at `time`. */
export interface CallTick {
  time: number;
  calls: CallCounts;
}

export interface Focus {
  key: ProcessKey;
  id: ProcessId;
  /** From this time on the stream has all of its requests; null: they are those that are among everybody's latest. */
  since: string | null;
  /** The server has too many processes to tell apart already. */
  isRefused: boolean;
  stream: Stream;
  /** From this time on `ticks` have all of its calls, ms. */
  ticksFrom: number;
  ticks: readonly CallTick[];
}

export function focusOn(id: ProcessId, stream: Stream, time: string): Focus {
  const items = passing(stream.items, testOf(id)).map((item, i) => numbered(item, PAST_NUMBERS + i + 1));
  return {
    key: processKey(id),
    id,
    since: null,
    isRefused: false,
    stream: { items, lastSeq: PAST_NUMBERS + items.length, received: items.length },
    ticksFrom: Date.parse(time),
    ticks: [],
  };
}

function numbered(item: StreamItem, seq: number): StreamItem {
  return { ...item, seq };
}

/** After a snapshot nobody knows what came between, nor does the server know at whom the page looks. */
export function refocused(focus: Focus, stream: Stream, time: string): Focus {
  return focusOn(focus.id, stream, time);
}

/** Of a tick of all processes: its calls, and until it is told apart, its requests. */
export function withTick(focus: Focus, before: Process | undefined, after: Process | undefined, tick: { time: string; requests: readonly MemoryRequest[]; skipped: number }): Focus {
  const counted = withCalls(focus, before, after, Date.parse(tick.time));
  if (focus.since !== null) return counted;
  const { owner } = testOf(focus.id);
  const own = tick.requests.filter((request) => owner(request));
  return { ...counted, stream: appended(focus.stream, tick.time, own, tick.skipped) };
}

function withCalls(focus: Focus, before: Process | undefined, after: Process | undefined, time: number): Focus {
  if (before === undefined || after === undefined) return focus;
  const calls = grown(before.calls, after.calls);
  if (Object.keys(calls).length === 0) return focus;
  const ticks = [...focus.ticks, { time, calls }];
  const first = ticks.length > TICKS_KEPT ? ticks.shift() : undefined;
  return { ...focus, ticks, ticksFrom: first === undefined ? focus.ticksFrom : first.time };
}

function grown(before: CallCounts, after: CallCounts): CallCounts {
  const more = Object.entries(after).map(([call, totals]) => {
    const had = before[call] ?? { count: 0, refused: 0 };
    return [call, { count: totals.count - had.count, refused: totals.refused - had.refused }] as const;
  });
  return Object.fromEntries(more.filter(([, { count }]) => count > 0));
}

/** Takes what the server tells apart: from the first of it on, that is all of the process's requests. */
export function withFocused(focus: Focus, { time, pid, requests, skipped }: FocusedRequests): Focus {
  if (pid !== focus.id.pid) return focus;
  const { owner } = testOf(focus.id);
  const own = requests.filter((request) => owner(request));
  return { ...focus, since: focus.since ?? time, isRefused: false, stream: appended(focus.stream, time, own, skipped) };
}

/** Puts the history's requests, newest first, in the place of what was picked out of everybody's. */
export function withPast(focus: Focus, requests: readonly MemoryRequest[]): Focus {
  const { since } = focus;
  if (since === null) return focus;
  const older = requests.filter((request) => request.timestamp < since).toReversed();
  const past = appended(emptyStream, since, older, 0).items;
  const items = [...past, ...focus.stream.items.filter((item) => timeOf(item) >= since)];
  return { ...focus, stream: { ...focus.stream, items } };
}

function timeOf(item: StreamItem): string {
  return item.kind === "request" ? item.request.timestamp : item.time;
}

/** Told by pid and by its time of life, as pids are used again. */
function testOf({ pid, start_time }: ProcessId): RequestTest {
  return { owner: (owner) => owner.pid === pid && owner.timestamp >= start_time, request: () => true };
}
