/** Sizes of requests as rows of a histogram. Pure. */
import type { Sizes } from "../model/history";

export interface Bar {
  /** The sizes from this up to, but less than, twice it. */
  from: number;
  count: number;
  refused: number;
  /** By call, most first, without those that were refused. */
  granted: readonly { call: string; count: number }[];
}

/** So many sizes in a row that nobody asked for are shown; more are left out. */
const EMPTY_ROWS = 2;

/** A row for each power of two, from the least to the largest; long stretches that nobody asked for are left out. */
export function histogram(buckets: Sizes["buckets"]): Bar[] {
  const sizes = [...new Set(buckets.map((bucket) => bucket.from_bytes))].toSorted((a, b) => a - b);
  const least = sizes.find((size) => size > 0);
  const most = sizes.at(-1) ?? 0;
  const all = sizes[0] === 0 ? [0] : [];
  for (let size = least ?? 1; size <= most; size *= 2) all.push(size);
  const kept = all.filter((from) => sizes.includes(from) || emptyAround(from, sizes) <= EMPTY_ROWS);
  return kept.map((from) => {
    const own = buckets.filter((bucket) => bucket.from_bytes === from);
    const granted = own.map(({ call, count, refused }) => ({ call, count: count - refused })).filter(({ count }) => count > 0);
    return {
      from,
      count: own.reduce((sum, { count }) => sum + count, 0),
      refused: own.reduce((sum, { refused }) => sum + refused, 0),
      granted: granted.toSorted((a, b) => b.count - a.count),
    };
  });
}

/** How many sizes that nobody asked for stand together where this one does. */
function emptyAround(from: number, sizes: readonly number[]): number {
  const below = sizes.findLast((size) => size < from) ?? from;
  const above = sizes.find((size) => size > from) ?? from;
  return below === 0 ? 0 : Math.log2(above / below) - 1;
}
