// memtap's Parquet export, read by an independent program and compared with the JSON lines.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parquetMetadata, parquetReadObjects, parquetSchema } from "hyparquet";

/** Lines in the format of the original system's script, with hostile process names. */
const LINES = `mmap,4242,=1+1,8192,1767225600
munmap,4242,a,b "c" %s,4096,1767225601
mmap,7,\u{1f980} \u{fc}ml\u{e4}ut,18446744073709551615,1767225602
mmap,4294967295,'x'); DROP--,4096,1767225603
brk,1,\u{1b}[31mred,0,1767225604
`;

/** Converts a Parquet row to the types of the JSON export. */
function plain(row) {
  const numbers = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === "bigint" ? Number(value) : (value ?? null),
  ]);
  return {
    ...Object.fromEntries(numbers),
    timestamp: row.timestamp.toISOString(),
    address: `0x${row.address.toString(16)}`,
  };
}

test("another program reads a Parquet export", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "memtap-parquet-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const store = `--store=sqlite:${join(folder, "memtap.db")}`;
  const memtap = (...args) => execFileSync(process.env.MEMTAP, [...args, store], { input: LINES, cwd: folder });
  memtap("import", "-");
  const json = memtap("store", "export", "--format=jsonl").toString().trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(json.length, 5);
  memtap("store", "export", "--format=parquet", "-o", "requests.parquet");
  const { buffer, byteOffset, byteLength } = readFileSync(join(folder, "requests.parquet"));
  const file = buffer.slice(byteOffset, byteOffset + byteLength);
  const rows = await parquetReadObjects({ file });
  assert.deepEqual(rows.map(plain), json);
  assert.equal(rows.find((row) => row.pid === 7).memory_size, 18446744073709551615n, "all of it");
  const columns = parquetSchema(parquetMetadata(file)).children.map(({ element }) => element);
  assert.deepEqual(columns.map((column) => column.name), Object.keys(json[0]));
  const column = (name) => columns.find((one) => one.name === name);
  assert.deepEqual([column("timestamp").logical_type.unit, column("timestamp").logical_type.isAdjustedToUTC], ["MICROS", true]);
  assert.equal(column("memory_size").logical_type.isSigned, false);
});
