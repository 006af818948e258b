import { describe, expect, it } from "vitest";
import { tiles, type Tile } from "../src/lib/treemap";

/** Tolerance, far less than a pixel. */
const NEAR = 1e-6;
const area = ({ width, height }: Tile) => width * height;

describe("a treemap", () => {
  it.each([[[6, 6, 4, 3, 2, 2, 1]], [[1]], [[1e12, 4096, 4096, 1]], [[5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 40]]])("fills the area with %j, each in proportion to its amount", (amounts) => {
    const total = amounts.reduce((sum, amount) => sum + amount, 0);
    const all = tiles(amounts, 1.7);
    expect(all).toHaveLength(amounts.length);
    for (const [i, tile] of all.entries()) {
      expect(area(tile)).toBeCloseTo((amounts[i] ?? 0) / total, 9);
      expect(Math.min(tile.left, tile.top)).toBeGreaterThan(-NEAR);
      expect(Math.max(tile.left + tile.width, tile.top + tile.height)).toBeLessThan(1 + NEAR);
    }
    for (const [i, one] of all.entries()) {
      for (const other of all.slice(i + 1)) {
        const wide = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
        const high = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
        expect(Math.min(wide, high)).toBeLessThan(NEAR);
      }
    }
  });

  it("keeps tiles close to squares", () => {
    // Example of the squarified treemap paper: 6 by 4.
    for (const { width, height } of tiles([6, 6, 4, 3, 2, 2, 1], 1.5)) {
      const ratio = (1.5 * width) / height;
      expect(Math.max(ratio, 1 / ratio)).toBeLessThan(3);
    }
  });

  it("gives no area to zero amounts", () => {
    expect(tiles([], 2)).toEqual([]);
    expect(tiles([0, 0], 2).map(area)).toEqual([0, 0]);
    expect(tiles([3, 0], 2).map(area)).toEqual([1, 0]);
  });
});
