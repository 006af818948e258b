/** The bounded buffer of requests that the log view shows. Pure: every change gives a new value. */
import type { MemoryRequest } from "./wire";

export const STREAM_LIMIT = 10_000;

/** Whose request it is, by pid and time, as pids are used again. */
export type Owner = Pick<MemoryRequest, "pid" | "process_name" | "timestamp">;

export type StreamItem =
  | { kind: "request"; seq: number; request: MemoryRequest }
  /** Requests of one second that the server did not send, only counted. */
  | { kind: "skipped"; seq: number; time: string; count: number; seconds: number }
  /** Requests of one process that did not reach memtap; just before the next one of it that did. */
  | { kind: "lost"; seq: number; time: string; count: number; owner: Owner }
  /** The connection was away; what came between is not here. */
  | { kind: "gap"; seq: number; time: string };

export interface Stream {
  items: readonly StreamItem[];
  /** Number of the last item; grows for as long as the page is open. */
  lastSeq: number;
  /** Requests received, the skipped ones counted too. */
  received: number;
}

export const emptyStream: Stream = { items: [], lastSeq: 0, received: 0 };

/** The stream of a new snapshot. What was there before is dropped, as nobody knows what came between. */
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
