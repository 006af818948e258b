/** What time it is where the data come from: the browser's clock, but of a recording its own. */

let recorded: number | null = null;

/** What a message says of it: from which source it is, and of which moment. */
export function hear(source: string, time: string): void {
  recorded = source === "recording" ? Date.parse(time) : null;
}

/** The moment `seconds` ago by the browser's clock. */
export function timeAgo(seconds: number): string {
  return new Date(Date.now() - 1000 * seconds).toISOString();
}

export function sourceNow(): number {
  return recorded ?? Date.now();
}
