/**
 * The focused process: all its requests, however busy other processes are, and its calls since the
 * focus began. Pure.
 */
import { passing, type RequestTest } from "../lib/requests";
import { processKey, type ProcessKey } from "./key";
import { appended, emptyStream, type Stream, type StreamItem } from "./stream";
import type { CallTotals, FocusedRequests, MemoryRequest, Process, ProcessId } from "./wire";

/** Limit of one hour. The history has earlier ticks. */
export const TICKS_KEPT = 3_600;
/** Number of earlier requests to read from the history. */
export const PAST_LIMIT = 300;
/** Sequence numbers for earlier requests. Each may have a line of lost requests before it. */
const PAST_NUMBERS = 2 * PAST_LIMIT;

/** Number of requests and of refused requests for each call. */
export type CallCounts = Readonly<Record<string, Pick<CallTotals, "count" | "refused">>>;

/** Calls of the process in the tick that ended at `time`. */
export interface CallTick {
  time: number;
  calls: CallCounts;
}

export interface Focus {
  key: ProcessKey;
  id: ProcessId;
  /**
   * Start of the complete stream. Null if the requests come from the general stream, which may be
   * incomplete.
   */
  since: string | null;
  /** The server already has as many focused processes as it allows. */
  isRefused: boolean;
  stream: Stream;
  /** Start of the complete `ticks`, in ms. */
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

/**
 * Restarts the focus after a snapshot. Requests in between are unknown, and the server does not
 * know the focus any more.
 */
export function refocused(focus: Focus, stream: Stream, time: string): Focus {
  return focusOn(focus.id, stream, time);
}

/** Adds a general tick: the calls of the process, and its requests until focused events arrive. */
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

/** Adds a focused event. From the first one on, the stream contains all requests of the process. */
export function withFocused(focus: Focus, { time, pid, requests, skipped }: FocusedRequests): Focus {
  if (pid !== focus.id.pid) return focus;
  const { owner } = testOf(focus.id);
  const own = requests.filter((request) => owner(request));
  return { ...focus, since: focus.since ?? time, isRefused: false, stream: appended(focus.stream, time, own, skipped) };
}

/**
 * Replaces the requests from the general stream with those of the history, which come newest first.
 */
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

/** Matches pid and start time, because the kernel reuses pids. */
function testOf({ pid, start_time }: ProcessId): RequestTest {
  return { owner: (owner) => owner.pid === pid && owner.timestamp >= start_time, request: () => true };
}
