/**
 * Filters of the request stream. They are part of the address, so that links contain them. Pure.
 */
import type { Owner, StreamItem } from "../model/stream";
import type { MemoryRequest } from "../model/wire";
import { parseSize } from "./format";

export interface RequestFilter {
  /** Part of the process name, or a pid. */
  name: string;
  call: string;
  /** As entered: `1 MiB`. */
  size: string;
  refused: boolean;
}

export const NO_FILTER: RequestFilter = { name: "", call: "", size: "", refused: false };

export function isFiltered(filter: RequestFilter): boolean {
  return filter.name !== "" || filter.call !== "" || minimum(filter) > 0 || filter.refused;
}

/** Smallest size that passes. Text that is not a size hides nothing. */
function minimum(filter: RequestFilter): number {
  return parseSize(filter.size) ?? 0;
}

/** A filter in two parts, because only the owner of a lost request is known. */
export interface RequestTest {
  owner: (owner: Owner) => boolean;
  request: (request: MemoryRequest) => boolean;
}

/** Compiles a filter, which then runs over the whole buffer. */
export function requestTest(filter: RequestFilter): RequestTest {
  const name = filter.name.trim().toLowerCase();
  const least = minimum(filter);
  return {
    owner: ({ pid, process_name }) =>
      name === "" || String(pid) === name || process_name.toLowerCase().includes(name),
    request: (request) =>
      (!filter.refused || request.errno !== null) &&
      (filter.call === "" || request.call === filter.call) &&
      request.memory_size >= least,
  };
}

/**
 * Items that pass. Lines about missing requests remain if the missing requests might have passed.
 */
export function passing(items: readonly StreamItem[], test: RequestTest): readonly StreamItem[] {
  const passed: StreamItem[] = [];
  for (const item of items) {
    if (!passes(item, test)) continue;
    const before = passed.at(-1);
    const one = before && joined(before, item);
    if (one) passed[passed.length - 1] = one;
    else passed.push(item);
  }
  return passed;
}

export function passes(item: StreamItem, test: RequestTest): boolean {
  switch (item.kind) {
    case "request":
      return test.owner(item.request) && test.request(item.request);
    case "lost":
      return test.owner(item.owner);
    default:
      return true;
  }
}

/**
 * Joins two lines about missing requests with no request between them. The result keeps the first
 * line's number, and so its position.
 */
function joined(before: StreamItem, item: StreamItem): StreamItem | null {
  if (before.kind === "skipped" && item.kind === "skipped") {
    return { ...item, seq: before.seq, count: before.count + item.count, seconds: before.seconds + item.seconds };
  }
  if (before.kind === "lost" && item.kind === "lost" && before.owner.pid === item.owner.pid) {
    return { ...item, seq: before.seq, count: before.count + item.count };
  }
  return null;
}

export function filterFromQuery(query: URLSearchParams): RequestFilter {
  return {
    name: query.get("name") ?? "",
    call: query.get("call") ?? "",
    size: query.get("min_size") ?? "",
    refused: query.get("refused") === "true",
  };
}

export function filterToQuery(filter: RequestFilter): Record<string, string> {
  return {
    name: filter.name,
    call: filter.call,
    min_size: filter.size,
    refused: filter.refused ? "true" : "",
  };
}

/** Query parameters of the filter for the history. A number is a pid. */
export function filterToHistory(filter: RequestFilter): Record<string, string> {
  const name = filter.name.trim();
  const isPid = /^\d+$/.test(name);
  return {
    name: isPid ? "" : name,
    pid: isPid ? name : "",
    call: filter.call,
    min_size: minimum(filter) > 0 ? String(minimum(filter)) : "",
    refused: filter.refused ? "true" : "",
  };
}
