/**
 * Requests of one process by call over time: from stored requests, and from live counts since the
 * page focused on the process. Pure.
 */
import type { Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import type { CallCounts, Focus } from "../model/focus";
import type { ProcessCalls, Usage } from "../model/history";
import { callBands, type Stretch } from "./historyData";
import { LOOK } from "./look";
import type { Mark, TimeChartData, TimeSeries } from "./timeOption";

/** Counts by call in each step. The key is the step's start in ms. */
export type CallSteps = ReadonlyMap<number, CallCounts>;

/**
 * Merges stored requests and live counts. Live counts are complete, so they replace stored requests
 * from their first whole step on.
 */
export function callSteps(stored: ProcessCalls | null, live: Pick<Focus, "ticks" | "ticksFrom"> | null, stepMs: number): CallSteps {
  const liveFrom = live === null ? Number.POSITIVE_INFINITY : Math.ceil(live.ticksFrom / stepMs) * stepMs;
  const steps = new Map<number, CallCounts>();
  for (const { timestamp, calls } of stored?.series ?? []) {
    const time = Date.parse(timestamp);
    if (time < liveFrom) steps.set(time, calls);
  }
  for (const { time, calls } of live?.ticks ?? []) {
    const begin = Math.floor(time / stepMs) * stepMs;
    if (begin >= liveFrom) steps.set(begin, added(steps.get(begin) ?? {}, calls));
  }
  return steps;
}

function added(a: CallCounts, b: CallCounts): CallCounts {
  const sum = { ...a };
  for (const [call, { count, refused }] of Object.entries(b)) {
    const had = a[call] ?? { count: 0, refused: 0 };
    sum[call] = { count: had.count + count, refused: had.refused + refused };
  }
  return sum;
}

/** Number of requests counted by call, and number made, if the counts are incomplete. */
export interface Missing {
  counted: number;
  made: number;
}

/** The history does not contain the last seconds yet, so a small difference is not reported. */
const FEW = 10;
const NEARLY_ALL = 0.95;

export function missingOf(steps: CallSteps, usage: Usage): Missing | null {
  const made = usage.series.reduce((sum, step) => sum + step.requests, 0);
  const counted = [...steps.values()].reduce((sum, calls) => sum + countOf(calls), 0);
  return made - counted >= FEW && counted < NEARLY_ALL * made ? { counted, made } : null;
}

function countOf(calls: CallCounts): number {
  return Object.values(calls).reduce((sum, { count }) => sum + count, 0);
}

export interface CallWords {
  others: string;
  refused: string;
  /** Label of the line for all requests. */
  all: string;
  description: string;
}

interface Source {
  usage: Usage;
  steps: CallSteps;
  /** End of the known data, in ms. */
  until: number;
  shown: Stretch;
  marks: readonly Mark[];
}

/**
 * Bands by call and a line of refused requests. If the bands are incomplete, a line shows all
 * requests as well.
 */
export function callChart({ usage, steps, until, shown, marks }: Source, theme: Theme, lang: Lang, words: CallWords): TimeChartData {
  const stepMs = usage.step_s * 1000;
  const all = new Map(usage.series.map((step) => [Date.parse(step.timestamp), step]));
  const times = grid(usage, steps, until, shown);
  const look = LOOK[theme];
  const perSecond = (pick: (time: number) => number) =>
    times.map((time) => (isWatched(usage, time, stepMs) ? pick(time) / usage.step_s : null));
  const refused = perSecond((time) => all.get(time)?.refused ?? Object.values(steps.get(time) ?? {}).reduce((sum, one) => sum + one.refused, 0));
  const lines: TimeSeries[] = [{ key: "refused", label: words.refused, colour: look.bad, values: refused, isLine: true }];
  if (missingOf(steps, usage) !== null) {
    lines.unshift({ key: "all", label: words.all, colour: look.ink, values: perSecond((time) => all.get(time)?.requests ?? 0), isLine: true });
  }
  const bands = callBands((pick) => perSecond((time) => pick(steps.get(time) ?? {})), theme, words.others);
  const series = [...bands, ...lines].filter((one) => one.values.some((value) => value !== null && value > 0));
  return { times, series, marks, ...shown, isBytes: false, lang, description: words.description };
}

/** All steps since the first known one of the process. */
function grid({ series, step_s }: Usage, steps: CallSteps, until: number, { from, to }: Stretch): number[] {
  const stepMs = step_s * 1000;
  const firsts = [...steps.keys(), ...series.slice(0, 1).map((step) => Date.parse(step.timestamp))];
  const begin = Math.max(Math.floor(from / stepMs) * stepMs, Math.min(...firsts));
  const times: number[] = [];
  for (let time = begin; time < Math.min(until, to); time += stepMs) times.push(time);
  return times;
}

/** Imports contain requests from times when memtap was not running, so they have no such times. */
function isWatched({ watched }: Usage, time: number, stepMs: number): boolean {
  return watched.length === 0 || watched.some(({ from, to }) => time + stepMs > Date.parse(from) && time < Date.parse(to));
}
