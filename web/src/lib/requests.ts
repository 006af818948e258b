/** Filters of the request stream. Pure; they are kept in the address, so that a link carries them. */
import type { StreamItem } from "../model/stream";
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

/** The test for one request. Built once per filter, as it runs over the whole buffer. */
export function requestTest(filter: RequestFilter): (request: MemoryRequest) => boolean {
  const name = filter.name.trim().toLowerCase();
  const least = minimum(filter);
  return (request) =>
    (!filter.refused || request.errno !== null) &&
    (filter.call === "" || request.call === filter.call) &&
    request.memory_size >= least &&
    (name === "" || String(request.pid) === name || request.process_name.toLowerCase().includes(name));
}

/** The items that pass. Lines about missing requests stay: what is missing might have passed. */
export function passing(
  items: readonly StreamItem[],
  test: (request: MemoryRequest) => boolean,
): readonly StreamItem[] {
  const passed: StreamItem[] = [];
  for (const item of items) {
    if (item.kind === "request" && !test(item.request)) continue;
    const before = passed.at(-1);
    if (item.kind === "skipped" && before?.kind === "skipped") passed[passed.length - 1] = joined(before, item);
    else passed.push(item);
  }
  return passed;
}

type Skipped = Extract<StreamItem, { kind: "skipped" }>;

/** One line instead of many where no request stands between them. It keeps the first one's number and so its place. */
function joined(before: Skipped, item: Skipped): Skipped {
  return { ...item, seq: before.seq, count: before.count + item.count, seconds: before.seconds + item.seconds };
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
