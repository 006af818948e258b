/**
 * Arranges the rows of the process table as a list, in groups with their sums, or as a tree. Pure.
 */
import { placeOf } from "./columns";
import { sorted, type Sort } from "./order";
import { sumOf, type TableRow } from "./rows";

export const GROUPINGS = ["none", "program", "user", "container", "tree"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Line {
  key: string;
  row: TableRow;
  /** Depth in the tree or group; 1 at the top. */
  level: number;
  /** True if its children are shown; null if it has none. */
  open: boolean | null;
  /** Number of processes in a group; null for a process. */
  members: number | null;
}

/**
 * Keys of the lines that the user has opened or closed. By default, groups are closed and processes
 * of the tree are open.
 */
export type Toggled = ReadonlySet<string>;

export function arranged(rows: readonly TableRow[], sort: Sort, grouping: Grouping, toggled: Toggled): readonly Line[] {
  if (grouping === "none") return sorted(rows, sort).map((row) => lineOf(row, 1));
  return grouping === "tree" ? asTree(rows, sort, toggled) : inGroups(rows, sort, grouping, toggled);
}

function lineOf(row: TableRow, level: number): Line {
  return { key: row.key, row, level, open: null, members: null };
}

type GroupBy = Exclude<Grouping, "none" | "tree">;

function inGroups(rows: readonly TableRow[], sort: Sort, by: GroupBy, toggled: Toggled): readonly Line[] {
  const groups = new Map<string, TableRow[]>();
  for (const row of rows) addRow(groups, groupOf(row, by), row);
  const sums = [...groups].map(([name, members]) => sumOf(`${by} ${name}`, name, members));
  const lines: Line[] = [];
  for (const row of sorted(sums, sort)) {
    const members = groups.get(row.name) ?? [];
    const open = toggled.has(row.key);
    lines.push({ key: row.key, row, level: 1, open, members: members.length });
    if (open) for (const one of sorted(members, sort)) lines.push(lineOf(one, 2));
  }
  return lines;
}

/** Name of the row's group; empty if it belongs to none. */
function groupOf(row: TableRow, by: GroupBy): string {
  switch (by) {
    case "program":
      return row.name;
    case "user":
      return row.user;
    case "container":
      return placeOf(row) ?? "";
  }
}

function asTree(rows: readonly TableRow[], sort: Sort, toggled: Toggled): readonly Line[] {
  const parents = parentsOf(rows);
  const children = new Map<string, TableRow[]>();
  const roots: TableRow[] = [];
  // Rows are sorted first, so each list of children is sorted too.
  for (const row of sorted(rows, sort)) {
    const parent = parents.get(row.key);
    if (parent === undefined) roots.push(row);
    else addRow(children, parent.key, row);
  }
  const lines: Line[] = [];
  // An explicit stack instead of recursion, because a chain of forks may be deeper than the call
  // stack.
  const waiting = roots.toReversed().map((row) => ({ row, level: 1 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { row, level } = next;
    const below = children.get(row.key);
    const open = below === undefined ? null : !toggled.has(row.key);
    lines.push({ ...lineOf(row, level), open });
    if (open && below) for (const child of below.toReversed()) waiting.push({ row: child, level: level + 1 });
  }
  return lines;
}

/** The parent of each row, by key, if it is among the rows. */
export function parentsOf(rows: readonly TableRow[]): ReadonlyMap<string, TableRow> {
  const byPid = new Map<number | null, TableRow[]>();
  for (const row of rows) addRow(byPid, row.pid, row);
  const parents = new Map<string, TableRow>();
  for (const row of rows) {
    let parent: TableRow | null = null;
    for (const one of byPid.get(row.parent_pid) ?? []) {
      if (one.host === row.host && isOlder(one, row) && (parent === null || isOlder(parent, one))) parent = one;
    }
    if (parent !== null) parents.set(row.key, parent);
  }
  return parents;
}

/**
 * Orders processes by start. A parent must be older than its child, so parents cannot form a cycle.
 */
function isOlder(a: TableRow, b: TableRow): boolean {
  if (a.start_time !== b.start_time) return a.start_time < b.start_time;
  return (a.pid ?? 0) < (b.pid ?? 0);
}

/** Adds the ancestors of the rows, so that search results keep their position in the tree. */
export function withParents(rows: readonly TableRow[], all: readonly TableRow[]): readonly TableRow[] {
  if (rows.length === all.length) return rows;
  const parents = parentsOf(all);
  const kept = new Map(rows.map((row) => [row.key, row]));
  for (const row of rows) {
    for (let one = parents.get(row.key); one !== undefined && !kept.has(one.key); one = parents.get(one.key)) kept.set(one.key, one);
  }
  return [...kept.values()];
}

function addRow<K>(lists: Map<K, TableRow[]>, key: K, row: TableRow): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [row]);
  else list.push(row);
}
