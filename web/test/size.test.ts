/** Size of the built page as it is transferred, compressed with gzip. */
import { describe, expect, it } from "vitest";
import index from "../dist/index.html?raw";

const BUILT = import.meta.glob<string>("../dist/assets/*", { query: "?raw", import: "default", eager: true });
const KIB = 1024;
/** Limit for the files needed before the first view. */
const FIRST = 150 * KIB;
/** Limit for all views, all charts and both languages. */
const ALL = 350 * KIB;

async function weight(texts: readonly string[]): Promise<number> {
  const packed = texts.map(async (text) => {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    return (await new Response(stream).arrayBuffer()).byteLength;
  });
  return (await Promise.all(packed)).reduce((sum, one) => sum + one, 0);
}

describe("the built page", () => {
  // index.html also lists the files that the first script imports.
  const first = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => `../dist/${match[1]}`);

  it("is small before anything is drawn", async () => {
    expect(first.filter((path) => /\.(js|css)$/.test(path)).length).toBeGreaterThanOrEqual(2);
    expect(first.filter((path) => BUILT[path] === undefined)).toEqual([]);
    expect(await weight(first.map((path) => BUILT[path] ?? ""))).toBeLessThan(FIRST);
  });

  it("is small with all its views", async () => {
    expect(await weight(Object.values(BUILT))).toBeLessThan(ALL);
  });
});
