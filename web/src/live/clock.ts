/** The current time of the data: the browser's clock, or a recording's own time. */

let recorded: number | null = null;

/** Updates the time from a message of the given source. */
export function updateClock(source: string, time: string): void {
  recorded = source === "recording" ? Date.parse(time) : null;
}

/** The time `seconds` ago by the browser's clock. */
export function timeAgo(seconds: number): string {
  return new Date(Date.now() - 1000 * seconds).toISOString();
}

export function sourceNow(): number {
  return recorded ?? Date.now();
}
