/** Finding and ordering processes. Pure. */
import type { Process } from "../model/wire";

export const COLUMNS = [
  "name",
  "pid",
  "user",
  "place",
  "virtual_bytes",
  "resident_bytes",
  "peak_resident_bytes",
  "memory_percentage",
  "faults",
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
const TEXT: ReadonlySet<Column> = new Set(["name", "user", "place"]);
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export function isColumn(text: string): text is Column {
  return (COLUMNS as readonly string[]).includes(text);
}

/** What a column shows of a process. */
export function columnValue(process: Process, column: Column): string | number | null {
  switch (column) {
    case "place":
      return placeOf(process);
    case "faults":
      return process.minor_faults + process.major_faults;
    default:
      return process[column];
  }
}

/** Where it runs: its container, else its unit. */
export function placeOf(process: Process): string | null {
  return process.container ?? process.unit;
}

/** Which columns there is room for: the one of faults makes way for the one of places on an ordinary screen. */
export function shownColumns(withPlaces: boolean, isRoomy: boolean): readonly Column[] {
  return COLUMNS.filter((column) => {
    if (column === "place") return withPlaces;
    return column !== "faults" || isRoomy || !withPlaces;
  });
}

/** Without a container in sight the column of places says nothing that one looks for. */
export function hasContainers(processes: Iterable<Process>): boolean {
  for (const process of processes) if (process.container !== null) return true;
  return false;
}

/** The part of each process that a search looks at. Every word must be found. */
export function matches(process: Process, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const { name, command, pid, user, container, pod, unit } = process;
  const text = [name, command, pid, user, container, pod, unit].join("\0").toLowerCase();
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
  const left = columnValue(a, column) ?? "";
  const right = columnValue(b, column) ?? "";
  if (TEXT.has(column)) return collator.compare(String(left), String(right));
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
