/** Sort order of the process table. Pure. */
import { columnValue, isColumn, TEXT, TIMES, type Column } from "./columns";
import type { TableRow } from "./rows";

export interface SortKey {
  column: Column;
  descending: boolean;
}
/** The second key breaks ties of the first. */
export type Sort = readonly SortKey[];

export const DEFAULT_SORT: Sort = [{ column: "resident_bytes", descending: true }];
/**
 * Default for past times: the peak, because a large process may have ended before the end of the
 * range.
 */
export const PAST_SORT: Sort = [{ column: "peak_resident_bytes", descending: true }];
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
/** Sorts below all known values. */
const UNKNOWN = -Number.MAX_VALUE;

export function sorted(rows: readonly TableRow[], sort: Sort): TableRow[] {
  const keys = sort.map((key) => weights(rows, key));
  const places = new Uint32Array(rows.length).map((_, place) => place).toSorted((a, b) => {
    for (const values of keys) {
      const order = (values[a] ?? 0) - (values[b] ?? 0);
      if (order !== 0) return order;
    }
    return fixedOrder(rows[a], rows[b]);
  });
  const ordered: TableRow[] = [];
  for (const place of places) {
    const row = rows[place];
    if (row !== undefined) ordered.push(row);
  }
  return ordered;
}

/** A fixed order for equal rows, so that they do not change places from tick to tick. */
function fixedOrder(a: TableRow | undefined, b: TableRow | undefined): number {
  if (a === undefined || b === undefined) return 0;
  if (a.pid !== b.pid) return (a.pid ?? 0) - (b.pid ?? 0);
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

/**
 * Numbers that sort in the order of the column. Comparing numbers is fast, and a sort compares many
 * times.
 */
function weights(rows: readonly TableRow[], { column, descending }: SortKey): Float64Array {
  const sign = descending ? -1 : 1;
  const weight = TEXT.has(column) ? textWeight(rows, column) : TIMES.has(column) ? timeWeight : numberWeight;
  const values = new Float64Array(rows.length);
  for (const [place, row] of rows.entries()) values[place] = sign * weight(columnValue(row, column));
  return values;
}

type Value = ReturnType<typeof columnValue>;

function numberWeight(value: Value): number {
  return typeof value === "number" ? value : UNKNOWN;
}

function timeWeight(value: Value): number {
  return typeof value === "string" ? Date.parse(value) : UNKNOWN;
}

/**
 * The rank of each text among all texts of the column, so that the slow comparison runs once for
 * each distinct text.
 */
function textWeight(rows: readonly TableRow[], column: Column): (value: Value) => number {
  const texts = new Set(rows.map((row) => String(columnValue(row, column) ?? "")));
  const places = ranks(column, texts);
  return (value) => places.get(String(value ?? "")) ?? 0;
}

// Ranks are reused from tick to tick, until a new text appears.
const known = new Map<Column, ReadonlyMap<string, number>>();

function ranks(column: Column, texts: ReadonlySet<string>): ReadonlyMap<string, number> {
  const before = known.get(column);
  const isEnough = before !== undefined && before.size <= 2 * texts.size + 1_000 && [...texts].every((text) => before.has(text));
  if (isEnough) return before;
  const places = new Map<string, number>();
  let last: string | null = null;
  let place = 0;
  for (const text of [...texts].toSorted(collator.compare)) {
    // Texts that are equal in the user's language share a rank.
    if (last !== null && collator.compare(last, text) !== 0) place += 1;
    places.set(text, place);
    last = text;
  }
  known.set(column, places);
  return places;
}

/**
 * The sort order after a click on a column header. With shift, the column becomes the second key.
 */
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

export function parseSort(text: string | null, otherwise = DEFAULT_SORT): Sort {
  const keys = (text ?? "").split(",").flatMap((part): SortKey[] => {
    const descending = part.startsWith("-");
    const column = descending ? part.slice(1) : part;
    return isColumn(column) ? [{ column, descending }] : [];
  });
  return keys.length > 0 ? keys.slice(0, 2) : otherwise;
}
