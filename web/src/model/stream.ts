/** The bounded buffer of requests for the log. Pure: every change returns a new value. */
import type { MemoryRequest } from "./wire";

export const STREAM_LIMIT = 10_000;

/** Owner of a request, identified by pid and time, because the kernel reuses pids. */
export type Owner = Pick<MemoryRequest, "pid" | "process_name" | "timestamp">;

export type StreamItem =
  | { kind: "request"; seq: number; request: MemoryRequest }
  /** Requests of one second that the server counted but did not send. */
  | { kind: "skipped"; seq: number; time: string; count: number; seconds: number }
  /** Requests of one process that did not reach memtap, before the next one that did. */
  | { kind: "lost"; seq: number; time: string; count: number; owner: Owner }
  /** The connection was interrupted, and requests in between are missing. */
  | { kind: "gap"; seq: number; time: string };

export interface Stream {
  items: readonly StreamItem[];
  /** Number of the last item. It increases as long as the page is open. */
  lastSeq: number;
  /** Number of received requests, including skipped ones. */
  received: number;
}

export const emptyStream: Stream = { items: [], lastSeq: 0, received: 0 };

/**
 * The stream after a snapshot. Earlier items are dropped, because requests in between are unknown.
 */
export function restarted(before: Stream, time: string, requests: readonly MemoryRequest[]): Stream {
  const bare: Stream = { ...before, items: [] };
  if (before.lastSeq === 0) return appended(bare, time, requests, 0);
  const seq = before.lastSeq + 1;
  return appended({ ...bare, items: [{ kind: "gap", seq, time }], lastSeq: seq }, time, requests, 0);
}

export function appended(
  before: Stream,
  time: string,
  requests: readonly MemoryRequest[],
  skipped: number,
): Stream {
  if (requests.length === 0 && skipped === 0) return before;
  let seq = before.lastSeq;
  const fresh: StreamItem[] = [];
  for (const request of requests) {
    if (request.lost_before > 0) {
      fresh.push({ kind: "lost", seq: (seq += 1), time: request.timestamp, count: request.lost_before, owner: ownerOf(request) });
    }
    fresh.push({ kind: "request", seq: (seq += 1), request });
  }
  if (skipped > 0) fresh.push({ kind: "skipped", seq: (seq += 1), time, count: skipped, seconds: 1 });

  const room = Math.max(0, STREAM_LIMIT - fresh.length);
  const kept = room === 0 ? [] : before.items.slice(-room);
  return {
    items: [...kept, ...fresh.slice(-STREAM_LIMIT)],
    lastSeq: seq,
    received: before.received + requests.length + skipped,
  };
}

function ownerOf({ pid, process_name, timestamp }: MemoryRequest): Owner {
  return { pid, process_name, timestamp };
}
