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

/** A row for each power of two, also for those in between that nobody asked for. */
export function histogram(buckets: Sizes["buckets"]): Bar[] {
  const sizes = [...new Set(buckets.map((bucket) => bucket.from_bytes))].toSorted((a, b) => a - b);
  const least = sizes.find((size) => size > 0);
  const most = sizes.at(-1) ?? 0;
  const all = sizes[0] === 0 ? [0] : [];
  for (let size = least ?? 1; size <= most; size *= 2) all.push(size);
  return all.map((from) => {
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
