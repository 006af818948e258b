import { describe, expect, it } from "vitest";
import { columnsFromText, columnsText, columnValue, COLUMNS, DEFAULT_COLUMNS, ordinaryColumns, toggled, type Column } from "../src/lib/columns";
import { clicked, DEFAULT_SORT, parseSort, PAST_SORT, sorted, sortText } from "../src/lib/order";
import { findProcesses, parentOf } from "../src/lib/processes";
import { rowOfLife, rowOfProcess, sumOf } from "../src/lib/rows";
import { STILL } from "../src/model/pace";
import { lifeOf, processOf, rowOf } from "./samples";

function pids(rows: readonly { pid: number | null }[]): (number | null)[] {
  return rows.map((row) => row.pid);
}

const ENDED = { end_time: "2026-11-23T10:00:05.000Z" };

describe("the rows of the table", () => {
  const rows = [
    rowOf(10, { name: "bash", resident_bytes: 5, user: "ana" }),
    rowOf(20, { name: "Perl", resident_bytes: 9 }),
    rowOf(30, { name: "node", resident_bytes: 5, ...ENDED }),
  ];

  it("are found by name, command, pid and user, all words of the search", () => {
    expect(pids(findProcesses(rows, "PERL 20", true))).toEqual([20]);
    expect(pids(findProcesses(rows, "ana", true))).toEqual([10]);
    expect(pids(findProcesses(rows, "", false))).toEqual([10, 20]);
    expect(pids(findProcesses(rows, "node", false))).toEqual([]);
    expect(findProcesses(rows, " ", true)).toBe(rows);
  });

  it("are found by container, pod and unit too", () => {
    const placed = [rowOf(1, { container: "docker:0123456789ab", pod: "web-7f" }), rowOf(2, { unit: "cron.service" })];
    expect(pids(findProcesses(placed, "docker", false))).toEqual([1]);
    expect(pids(findProcesses(placed, "WEB-7F", false))).toEqual([1]);
    expect(pids(findProcesses(placed, "cron.service", false))).toEqual([2]);
    expect(pids(findProcesses(placed, "null", false))).toEqual([]);
  });

  it("turn their order at the second click; shift keeps the first column", () => {
    const first = clicked(DEFAULT_SORT, "pid", false);
    expect(sortText(first)).toBe("-pid");
    expect(sortText(clicked(first, "pid", false))).toBe("pid");
    expect(sortText(clicked(first, "name", true))).toBe("-pid,name");
    expect(parseSort("-pid,name")).toEqual(clicked(first, "name", true));
    expect(parseSort("constructor,__proto__")).toEqual(DEFAULT_SORT);
    expect(parseSort(null, PAST_SORT)).toEqual(PAST_SORT);
  });
});

describe("the order of the rows", () => {
  const rows = [rowOf(10, { name: "bash", resident_bytes: 5 }), rowOf(20, { name: "Perl", resident_bytes: 9 }), rowOf(30, { name: "node", resident_bytes: 5 })];

  it("uses two columns, then the pid", () => {
    expect(pids(sorted(rows, DEFAULT_SORT))).toEqual([20, 10, 30]);
    expect(pids(sorted(rows, parseSort("resident_bytes,-name")))).toEqual([30, 10, 20]);
    expect(pids(sorted(rows, parseSort("name")))).toEqual([10, 30, 20]);
    expect(sorted([], DEFAULT_SORT)).toEqual([]);
  });

  it("treats names as equal that differ only in case, so that the second column decides", () => {
    const two = [rowOf(1, { name: "perl", resident_bytes: 1 }), rowOf(2, { name: "Perl", resident_bytes: 9 })];
    expect(pids(sorted(two, parseSort("name,-resident_bytes")))).toEqual([2, 1]);
  });

  it("finds the place of a name that was not there before", () => {
    const first = [rowOf(1, { name: "b" }), rowOf(2, { name: "d" })];
    expect(pids(sorted(first, parseSort("name")))).toEqual([1, 2]);
    expect(pids(sorted([...first, rowOf(3, { name: "c" })], parseSort("name")))).toEqual([1, 3, 2]);
    expect(pids(sorted(first, parseSort("-name")))).toEqual([2, 1]);
  });

  it("puts unknown values last in descending order, and first in ascending order", () => {
    const some = [rowOf(1, { unexplained_bytes: null }), rowOf(2, { unexplained_bytes: -4096 }), rowOf(3, { unexplained_bytes: 0 })];
    expect(pids(sorted(some, parseSort("-unexplained_bytes")))).toEqual([3, 2, 1]);
    expect(pids(sorted(some, parseSort("unexplained_bytes")))).toEqual([1, 2, 3]);
    const times = [rowOf(1, { last_request: "2026-11-23T10:00:00.000Z" }), rowOf(2), rowOf(3, { last_request: "2026-11-23T09:00:00.000Z" })];
    expect(pids(sorted(times, parseSort("-last_request")))).toEqual([1, 3, 2]);
  });

  it("sorts by both kinds of faults and by growth, and puts rows without a place first", () => {
    const few = rowOf(1, { minor_faults: 5, major_faults: 2, unit: "b.service", growth_bytes: 10 });
    const many = rowOf(2, { minor_faults: 3, major_faults: 9, unit: "a.service", growth_bytes: -10 });
    expect(pids(sorted([few, many, rowOf(3)], parseSort("-faults")))).toEqual([2, 1, 3]);
    expect(pids(sorted([few, many, rowOf(3)], parseSort("place")))).toEqual([3, 2, 1]);
    expect(pids(sorted([few, many, rowOf(3)], parseSort("-trend")))).toEqual([1, 3, 2]);
  });

  it("can be by each column", () => {
    for (const column of COLUMNS) expect(pids(sorted(rows, [{ column, descending: true }])).toSorted()).toEqual([10, 20, 30]);
  });
});

describe("the row of a live process", () => {
  it("is the same object until its process or its pace changes", () => {
    const process = processOf(1);
    const row = rowOfProcess(process, STILL, true);
    expect(rowOfProcess(process, STILL, true)).toBe(row);
    const busy = { requests: 7, requested: 4096, trace: [0, 1000, 1, 4096] };
    expect(rowOfProcess(process, busy, true)).toMatchObject({ requests_per_second: 7, requested_per_second: 4096, growth_bytes: 3096 });
    expect(rowOfProcess({ ...process }, STILL, true)).not.toBe(row);
  });

  it("has no requests if the source does not report them, and no rate before the first tick", () => {
    const blind = rowOfProcess(processOf(1), STILL, false);
    for (const column of ["requests", "requested_bytes", "refused", "requests_per_second"] as const) expect(blind[column]).toBeNull();
    expect(rowOfProcess(processOf(2), null, true)).toMatchObject({ requests: 1, requests_per_second: null, trace: null });
  });

  it("has no trend once it has ended", () => {
    const ended = { ...processOf(1), state: "ended" as const, ...ENDED };
    expect(rowOfProcess(ended, STILL, true)).toMatchObject({ ...ENDED, trace: null, growth_bytes: null });
  });
});

describe("the row of a past process", () => {
  const from = Date.parse("2026-11-23T10:30:00.000Z");
  const past = { from, to: from + 60_000, memory: new Map([["vm", 40_960]]) };

  it("has average rates over the part of its lifetime in the range", () => {
    expect(rowOfLife(lifeOf(1), past)).toMatchObject({ requests_per_second: 1, requested_per_second: 4096 / 60 });
    const late = lifeOf(1, { start_time: "2026-11-23T10:30:30.000Z", end_time: "2026-11-23T10:30:40.000Z" });
    expect(rowOfLife(late, past).requests_per_second).toBe(6);
    const short = lifeOf(1, { start_time: "2026-11-23T10:30:30.000Z", end_time: "2026-11-23T10:30:30.010Z" });
    expect(rowOfLife(short, past).requests_per_second).toBe(60);
  });

  it("has ended only if it ended before the end of the range", () => {
    const [before, after] = ["2026-11-23T10:30:59.000Z", "2026-11-23T10:31:01.000Z"];
    expect(rowOfLife(lifeOf(1, { end_time: before }), past).end_time).toBe(before);
    expect(rowOfLife(lifeOf(1, { end_time: after }), past).end_time).toBeNull();
  });

  it("keeps only its peak after it has ended", () => {
    const ended = rowOfLife(lifeOf(1, { end_time: "2026-11-23T10:30:59.000Z", before: { virtual_bytes: 0, resident_bytes: 1000 } }), past);
    expect(ended).toMatchObject({ virtual_bytes: 0, resident_bytes: 0, anonymous_bytes: 0, memory_percentage: 0, growth_bytes: -1000, peak_resident_bytes: 4096 });
  });

  it("has its share of its own host's memory, if known", () => {
    expect(rowOfLife(lifeOf(1), past).memory_percentage).toBe(10);
    expect(rowOfLife(lifeOf(1, { host: "other" }), past).memory_percentage).toBeNull();
  });

  it("has its growth, and null for values that the history does not keep", () => {
    const row = rowOfLife(lifeOf(1, { before: { virtual_bytes: 0, resident_bytes: 1000 } }), past);
    expect(row).toMatchObject({ key: "1@2026-11-23T10:00:00.000Z", growth_bytes: 3096, anonymous_bytes: 4096 });
    expect([row.unexplained_bytes, row.last_request, row.threads, row.trace]).toEqual([null, null, null, null]);
  });
});

describe("the sums of a group", () => {
  it("add the known values of columns that have a sum", () => {
    const sum = sumOf("g", "perl", [rowOf(1, { resident_bytes: 5, requests: 3, threads: 2 }), rowOf(2, { resident_bytes: 7, requests: null, threads: 4 })]);
    expect(sum).toMatchObject({ key: "g", name: "perl", pid: null, resident_bytes: 12, requests: 3, threads: 6, minor_faults: 2 });
    const nobodyKnows = sumOf("g", "perl", [rowOf(1, { requests: null }), rowOf(2, { requests: null })]);
    expect(nobodyKnows.requests).toBeNull();
  });

  it("have the largest peak, since peaks cannot be added", () => {
    expect(sumOf("g", "x", [rowOf(1, { peak_resident_bytes: 5 }), rowOf(2, { peak_resident_bytes: 7 })]).peak_resident_bytes).toBe(7);
  });

  it("have common values, the first start, and an end only if all have ended", () => {
    const one = rowOf(1, { user: "ana", unit: "a", ...ENDED, start_time: "2026-11-23T09:00:00.000Z" });
    const two = rowOf(2, { user: "ana", unit: "b", end_time: "2026-11-23T10:00:09.000Z" });
    expect(sumOf("g", "x", [two, one])).toMatchObject({ user: "ana", unit: null, start_time: one.start_time, end_time: two.end_time });
    expect(sumOf("g", "x", [one, rowOf(3, { user: "bob" })])).toMatchObject({ user: "", end_time: null });
  });

  it("change none of their members", () => {
    const member = rowOf(1);
    const before = structuredClone(member);
    sumOf("g", "x", [member, rowOf(2)]);
    expect(member).toEqual(before);
  });
});

describe("the columns", () => {
  it("are those of the address in the order of the table, the name always first", () => {
    expect(columnsFromText("refused,pid,__proto__")).toEqual(["name", "pid", "refused"]);
    expect(columnsFromText("constructor")).toBeNull();
    expect(columnsFromText(null)).toBeNull();
    expect(columnsFromText(columnsText(DEFAULT_COLUMNS))).toEqual(DEFAULT_COLUMNS);
  });

  it("include the place only if something runs in a container, and the host only if there are several", () => {
    expect(ordinaryColumns([rowOf(1, { unit: "cron.service" })])).toBe(DEFAULT_COLUMNS);
    expect(ordinaryColumns([rowOf(1), rowOf(2, { container: "docker:01" })])).toContain("place");
    const hosts = ordinaryColumns([rowOf(1, { host: "a" }), rowOf(2, { host: "b" })]);
    expect(hosts).toContain("host");
    expect(hosts).not.toContain("place");
    expect(columnValue(rowOf(1, { container: "docker:01", unit: "docker.service" }), "place")).toBe("docker:01");
  });

  it("are added and removed by a click, at their position", () => {
    const shown: readonly Column[] = ["name", "pid", "refused"];
    expect(toggled(shown, "user")).toEqual(["name", "pid", "user", "refused"]);
    expect(toggled(shown, "pid")).toEqual(["name", "refused"]);
  });
});

describe("the parent of a process", () => {
  it("is the process with that pid that was alive when the child started", () => {
    const old = processOf(1, "2026-11-23T08:00:00.000Z");
    const later = processOf(1, "2026-11-23T12:00:00.000Z");
    expect(parentOf([old, later], processOf(9))).toBe(old);
    expect(parentOf([later], processOf(9))).toBeNull();
  });
});
