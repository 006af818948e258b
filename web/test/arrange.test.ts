import { describe, expect, it } from "vitest";
import { arranged, withParents, type Line } from "../src/lib/arrange";
import { DEFAULT_SORT, parseSort } from "../src/lib/order";
import type { TableRow } from "../src/lib/rows";
import { rowOf } from "./samples";

const NONE: ReadonlySet<string> = new Set();

/** Lines as text: `bash×2` for a group, with one dot for each level below it. */
function drawn(lines: readonly Line[]): string[] {
  return lines.map(({ row, level, members }) => "·".repeat(level - 1) + (members === null ? String(row.pid) : `${row.name}×${members}`));
}

function at(second: number): string {
  return `2026-11-23T10:00:0${second}.000Z`;
}

function child(pid: number, parent_pid: number, part: Partial<TableRow> = {}): TableRow {
  return rowOf(pid, { parent_pid, ...part });
}

describe("groups", () => {
  const rows = [
    rowOf(1, { name: "bash", resident_bytes: 6, user: "ana", container: "docker:01" }),
    rowOf(2, { name: "perl", resident_bytes: 4, user: "bob" }),
    rowOf(3, { name: "perl", resident_bytes: 5, user: "ana", unit: "cron.service" }),
  ];

  it("begin closed, and are sorted by their sums", () => {
    expect(drawn(arranged(rows, DEFAULT_SORT, "program", NONE))).toEqual(["perl×2", "bash×1"]);
    expect(drawn(arranged(rows, DEFAULT_SORT, "user", NONE))).toEqual(["ana×2", "bob×1"]);
    expect(drawn(arranged(rows, parseSort("name"), "container", NONE))).toEqual(["×1", "cron.service×1", "docker:01×1"]);
  });

  it("show their members in their order once they are opened", () => {
    const lines = arranged(rows, DEFAULT_SORT, "program", new Set(["program perl"]));
    expect(drawn(lines)).toEqual(["perl×2", "·3", "·2", "bash×1"]);
    expect(lines.map((line) => line.open)).toEqual([true, null, null, false]);
    expect(new Set(lines.map((line) => line.key)).size).toBe(4);
  });

  it("keep hostile names apart", () => {
    const named = ["__proto__", "constructor", "", "program x"].map((name, i) => rowOf(i, { name }));
    expect(arranged(named, DEFAULT_SORT, "program", NONE).map((line) => line.row.name).toSorted()).toEqual(["", "__proto__", "constructor", "program x"]);
  });
});

describe("the tree", () => {
  it("has each process below its parent, siblings in the order of the table", () => {
    const rows = [child(1, 0), child(5, 1, { resident_bytes: 1 }), child(6, 1, { resident_bytes: 9 }), child(7, 5)];
    expect(drawn(arranged(rows, DEFAULT_SORT, "tree", NONE))).toEqual(["1", "·6", "·5", "··7"]);
  });

  it("hides the descendants of a closed process", () => {
    const rows = [child(1, 0), child(5, 1), child(7, 5), child(8, 0)];
    const lines = arranged(rows, parseSort("pid"), "tree", new Set([rows[1]?.key ?? ""]));
    expect(drawn(lines)).toEqual(["1", "·5", "8"]);
    expect(lines.map((line) => line.open)).toEqual([true, false, null]);
  });

  it("has processes without a known parent at its root", () => {
    expect(drawn(arranged([child(5, 1), child(6, 5)], DEFAULT_SORT, "tree", NONE))).toEqual(["5", "·6"]);
  });

  it("chooses the parent that was alive then, when a pid was reused", () => {
    const rows = [child(1, 0, { start_time: at(1), key: "old" }), child(1, 0, { start_time: at(5), key: "new" }), child(9, 1, { start_time: at(3) })];
    const lines = arranged(rows, parseSort("start_time"), "tree", NONE);
    expect(lines.map((line) => line.key)).toEqual(["old", rows[2]?.key, "new"]);
    expect(drawn(lines)).toEqual(["1", "·9", "1"]);
  });

  it("keeps machines apart", () => {
    const rows = [child(1, 0, { host: "a", key: "a1" }), child(2, 1, { host: "b" })];
    expect(drawn(arranged(rows, DEFAULT_SORT, "tree", NONE))).toEqual(["1", "2"]);
  });

  it("shows each process once, even if parents form a cycle", () => {
    const rows = [child(1, 1), child(2, 4), child(3, 2), child(4, 3), child(0, 0)];
    const lines = arranged(rows, parseSort("pid"), "tree", NONE);
    expect(lines.map((line) => line.row.pid).toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  it("may be deeper than the stack", () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => child(i + 1, i));
    const lines = arranged(rows, parseSort("-pid"), "tree", NONE);
    expect(lines.at(-1)).toMatchObject({ level: 20_000, row: { pid: 20_000 } });
  });

  it("keeps the parents of search results", () => {
    const all = [child(1, 0), child(5, 1), child(6, 5), child(7, 1)];
    const kept = withParents(all.slice(2, 3), all);
    expect(drawn(arranged(kept, DEFAULT_SORT, "tree", NONE))).toEqual(["1", "·5", "··6"]);
    expect(withParents(all, all)).toBe(all);
  });
});
