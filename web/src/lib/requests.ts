/** Filters of the request stream. Pure; they are kept in the address, so that a link carries them. */
import type { Owner, StreamItem } from "../model/stream";
import type { MemoryRequest } from "../model/wire";
import { parseSize } from "./format";

export interface RequestFilter {
  /** A part of the process's name, or a pid. */
  name: string;
  call: string;
  /** As typed: `1 MiB`. */
  size: string;
  refused: boolean;
}

export const NO_FILTER: RequestFilter = { name: "", call: "", size: "", refused: false };

export function isFiltered(filter: RequestFilter): boolean {
  return filter.name !== "" || filter.call !== "" || minimum(filter) > 0 || filter.refused;
}

/** The smallest size that passes; what is not a size hides nothing. */
function minimum(filter: RequestFilter): number {
  return parseSize(filter.size) ?? 0;
}

/** A test in two parts, as of lost requests only the owner is known. */
export interface RequestTest {
  owner: (owner: Owner) => boolean;
  request: (request: MemoryRequest) => boolean;
}

/** The test for one request. Built once per filter, as it runs over the whole buffer. */
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

/** The items that pass. Lines about missing requests stay where what is missing might have passed. */
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

/** One line instead of two where no request stands between them. It keeps the first one's number and so its place. */
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

/** The same filter as the history is asked: a number is a pid. */
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
