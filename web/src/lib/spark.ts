/** A trace (model/pace.ts) as an SVG path. Pure. */
import { TRACE_MS } from "../model/pace";

export interface Box {
  width: number;
  height: number;
}

/**
 * A change below this part of the size does not fill the picture, so that small changes look small.
 */
const CALM = 0.05;

/**
 * Draws the trace from `since`, when observation began, to `now`. A size is valid until the next
 * one.
 */
export function sparkPath(trace: readonly number[], since: number, now: number, { width, height }: Box): string {
  const sizes = trace.filter((_, at) => at % 2 === 1);
  if (sizes.length === 0) sizes.push(0);
  const most = Math.max(...sizes);
  const least = Math.min(...sizes);
  const span = Math.max(most - least, CALM * most, 1);
  const middle = (most + least) / 2;
  const begin = now - TRACE_MS;
  const x = (time: number) => round(((Math.max(time, begin) - begin) / TRACE_MS) * width);
  const y = (size: number) => round(height / 2 - ((size - middle) / span) * height);

  let path = `M${x(since)} ${y(sizes[0] ?? 0)}`;
  for (let at = 2; at < trace.length; at += 2) path += `H${x(trace[at] ?? 0)}V${y(trace[at + 1] ?? 0)}`;
  return `${path}H${width}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
