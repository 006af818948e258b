/** Columns of the process table: their names, the default selection, and their values. Pure. */
import type { TableRow } from "./rows";

export const COLUMNS = [
  "name",
  "pid",
  "user",
  "host",
  "place",
  "trend",
  "virtual_bytes",
  "resident_bytes",
  "peak_resident_bytes",
  "memory_percentage",
  "anonymous_bytes",
  "file_bytes",
  "shmem_bytes",
  "swap_bytes",
  "peak_virtual_bytes",
  "requested_per_second",
  "requests_per_second",
  "requested_bytes",
  "requests",
  "refused",
  "faults",
  "granted_bytes",
  "released_bytes",
  "unexplained_bytes",
  "threads",
  "start_time",
  "last_request",
  "command",
] as const;

export type Column = (typeof COLUMNS)[number];

const OPTIONAL: ReadonlySet<Column> = new Set([
  "host",
  "place",
  "anonymous_bytes",
  "file_bytes",
  "shmem_bytes",
  "swap_bytes",
  "peak_virtual_bytes",
  "granted_bytes",
  "released_bytes",
  "unexplained_bytes",
  "threads",
  "start_time",
  "last_request",
]);
export const DEFAULT_COLUMNS: readonly Column[] = COLUMNS.filter((column) => !OPTIONAL.has(column));

export const TEXT: ReadonlySet<Column> = new Set(["name", "user", "host", "place", "command"]);
export const TIMES: ReadonlySet<Column> = new Set(["start_time", "last_request"]);

export function isColumn(text: string): text is Column {
  return (COLUMNS as readonly string[]).includes(text);
}

/** The value that a column sorts by. A cell highlights changes of it. */
export function columnValue(row: TableRow, column: Column): string | number | null {
  switch (column) {
    case "place":
      return placeOf(row);
    case "faults":
      return row.minor_faults + row.major_faults;
    case "trend":
      return row.growth_bytes;
    default:
      return row[column];
  }
}

/** Container of a process, or its unit if it has no container. */
export function placeOf({ container, unit }: Pick<TableRow, "container" | "unit">): string | null {
  return container ?? unit;
}

/**
 * The columns named in the address or in the browser's storage, in the order of the table; null if
 * there are none.
 */
export function columnsFromText(text: string | null): readonly Column[] | null {
  const named = new Set((text ?? "").split(","));
  const columns = COLUMNS.filter((column) => named.has(column));
  if (columns.length === 0) return null;
  return columns[0] === "name" ? columns : ["name", ...columns];
}

export function columnsText(columns: readonly Column[]): string {
  return columns.join(",");
}

/**
 * Default columns: the common ones, the place if a process runs in a container, and the host if
 * there are several.
 */
export function ordinaryColumns(rows: readonly TableRow[]): readonly Column[] {
  const withPlaces = rows.some((row) => row.container !== null);
  const withHosts = rows.some((row) => row.host !== rows[0]?.host);
  if (!withPlaces && !withHosts) return DEFAULT_COLUMNS;
  const shown = new Set([...DEFAULT_COLUMNS, ...(withPlaces ? ["place"] : []), ...(withHosts ? ["host"] : [])]);
  return COLUMNS.filter((column) => shown.has(column));
}

export function toggled(columns: readonly Column[], column: Column): readonly Column[] {
  return COLUMNS.filter((one) => (one === column ? !columns.includes(one) : columns.includes(one)));
}
