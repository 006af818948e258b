/** Finding and ordering processes. Pure. */
import type { Process } from "../model/wire";

export const COLUMNS = [
  "name",
  "pid",
  "user",
  "virtual_bytes",
  "resident_bytes",
  "memory_percentage",
  "requests",
  "requested_bytes",
  "granted_bytes",
  "released_bytes",
  "refused",
  "unexplained_bytes",
  "last_request",
] as const;

export type Column = (typeof COLUMNS)[number];
export interface SortKey {
  column: Column;
  descending: boolean;
}
/** The first key orders, the second breaks ties. */
export type Sort = readonly SortKey[];

export const DEFAULT_SORT: Sort = [{ column: "resident_bytes", descending: true }];
const TEXT: ReadonlySet<Column> = new Set(["name", "user"]);
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export function isColumn(text: string): text is Column {
  return (COLUMNS as readonly string[]).includes(text);
}

/** The part of each process that a search looks at: name, command, pid, user. Every word must be found. */
export function matches(process: Process, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = `${process.name}\0${process.command}\0${process.pid}\0${process.user}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export function searchWords(search: string): readonly string[] {
  return search.toLowerCase().split(/\s+/).filter(Boolean);
}

export function found(processes: Iterable<Process>, search: string, withEnded: boolean): Process[] {
  const words = searchWords(search);
  const list: Process[] = [];
  for (const process of processes) {
    if ((withEnded || process.state === "alive") && matches(process, words)) list.push(process);
  }
  return list;
}

export function sorted(processes: readonly Process[], sort: Sort): Process[] {
  return processes.toSorted((a, b) => {
    for (const key of sort) {
      const order = compare(a, b, key.column);
      if (order !== 0) return key.descending ? -order : order;
    }
    // A last, fixed order, so that equal rows do not change places from tick to tick.
    return a.pid - b.pid || (a.start_time < b.start_time ? -1 : 1);
  });
}

function compare(a: Process, b: Process, column: Column): number {
  if (TEXT.has(column)) return collator.compare(String(a[column]), String(b[column]));
  const left = a[column] ?? "";
  const right = b[column] ?? "";
  return left === right ? 0 : left < right ? -1 : 1;
}

/** What a click on a column's head makes of the order; with shift the column becomes the second one. */
export function clicked(sort: Sort, column: Column, second: boolean): Sort {
  const before = sort.find((key) => key.column === column);
  const fresh: SortKey = { column, descending: before ? !before.descending : !TEXT.has(column) };
  const first = sort[0];
  if (second && first !== undefined && first.column !== column) return [first, fresh];
  return [fresh];
}

export function sortText(sort: Sort): string {
  return sort.map((key) => (key.descending ? "-" : "") + key.column).join(",");
}

export function parseSort(text: string | null): Sort {
  const keys = (text ?? "").split(",").flatMap((part): SortKey[] => {
    const descending = part.startsWith("-");
    const column = descending ? part.slice(1) : part;
    return isColumn(column) ? [{ column, descending }] : [];
  });
  return keys.length > 0 ? keys.slice(0, 2) : DEFAULT_SORT;
}

/** Who was the parent of `child`: the one of that pid who lived when the child started. */
export function parentOf(processes: Iterable<Process>, child: Process): Process | null {
  let parent: Process | null = null;
  for (const process of processes) {
    const fits = process.pid === child.parent_pid && process.start_time <= child.start_time;
    if (fits && (parent === null || process.start_time > parent.start_time)) parent = process;
  }
  return parent;
}
