/** Sizes of requests as rows of a histogram. Pure. */
import type { Sizes } from "../model/history";

export interface Bar {
  /** Smallest size of the row. The row ends below twice this size. */
  from: number;
  count: number;
  refused: number;
  /** Requests by call without the refused ones, the most frequent first. */
  granted: readonly { call: string; count: number }[];
}

/** Longest series of empty rows that is shown. */
const EMPTY_ROWS = 2;

/**
 * One row for each power of two from the smallest to the largest size. Longer series of empty rows
 * are left out.
 */
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

/** Length of the series of empty rows around this size. */
function emptyAround(from: number, sizes: readonly number[]): number {
  const below = sizes.findLast((size) => size < from) ?? from;
  const above = sizes.find((size) => size > from) ?? from;
  return below === 0 ? 0 : Math.log2(above / below) - 1;
}
