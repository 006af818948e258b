/** Searches for processes. Pure. */
import type { Process } from "../model/wire";
import type { TableRow } from "./rows";

/** Returns whether the row contains every search word. */
export function matches(row: TableRow, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const { name, command, pid, user, container, pod, unit } = row;
  const text = [name, command, pid, user, container, pod, unit].join("\0").toLowerCase();
  return words.every((word) => text.includes(word));
}

export function searchWords(search: string): readonly string[] {
  return search.toLowerCase().split(/\s+/).filter(Boolean);
}

export function findProcesses(rows: readonly TableRow[], search: string, withEnded: boolean): readonly TableRow[] {
  const words = searchWords(search);
  if (words.length === 0 && withEnded) return rows;
  return rows.filter((row) => (withEnded || row.end_time === null) && matches(row, words));
}

/** Parent of `child`: the latest process with its parent pid that started before the child. */
export function parentOf(processes: Iterable<Process>, child: Process): Process | null {
  let parent: Process | null = null;
  for (const process of processes) {
    const fits = process.pid === child.parent_pid && process.start_time <= child.start_time;
    if (fits && (parent === null || process.start_time > parent.start_time)) parent = process;
  }
  return parent;
}
