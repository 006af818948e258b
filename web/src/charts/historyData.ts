/** Converts the history's answers for the time charts. Pure. */
import type { Lang } from "../lib/format";
import { othersColour, programColour, slotColour, type Theme } from "../lib/palette";
import type { Colours } from "../model/colours";
import type { Machine, Programs } from "../model/history";
import { chartText, LOOK } from "./look";
import { withGaps, type Mark, type TimeChartData, type TimeSeries } from "./timeOption";

export interface Stretch {
  from: number;
  to: number;
}

/**
 * Calls with their own band, from the bottom up, and their colour slots. All other calls share a
 * grey band.
 */
const CALL_SLOTS: Readonly<Record<string, number>> = { mmap: 0, munmap: 5, brk: 1, mremap: 6, mprotect: 8, madvise: 7, mlock: 9 };

/** A call's colour, the same in every chart. */
export function callColour(call: string, theme: Theme): string {
  const slot = CALL_SLOTS[call];
  return slot === undefined ? othersColour(theme) : slotColour(slot, theme);
}

type Counts = Readonly<Record<string, { count: number }>>;

/**
 * One band for each call, from the bottom up, and one for all others. `values` applies a function
 * to each step's calls and returns the results over time.
 */
export function callBands(values: (pick: (calls: Counts) => number) => (number | null)[], theme: Theme, others: string): TimeSeries[] {
  const known = Object.keys(CALL_SLOTS);
  const countOthers = (calls: Counts) => Object.entries(calls).reduce((sum, [call, { count }]) => (known.includes(call) ? sum : sum + count), 0);
  const bands = known.map((call) => ({ key: call, label: call, colour: callColour(call, theme), values: values((calls) => calls[call]?.count ?? 0) }));
  return [...bands, { key: "others", label: others, colour: othersColour(theme), values: values(countOthers) }];
}

export interface RateWords {
  others: string;
  refused: string;
  lost: (count: number) => string;
  description: string;
}

export function callRates(machine: Machine, shown: Stretch, theme: Theme, lang: Lang, words: RateWords): TimeChartData {
  const stepMs = machine.step_s * 1000;
  const points = withGaps(machine.series.map((point) => ({ time: Date.parse(point.timestamp), point })), stepMs);
  const perSecond = (pick: (calls: Machine["series"][number]["calls"]) => number) =>
    points.map((one) => ("point" in one ? pick(one.point.calls) / machine.step_s : null));
  const bands = callBands(perSecond, theme, words.others);
  const refused = perSecond((calls) => Object.values(calls).reduce((sum, totals) => sum + totals.refused, 0));
  const series = [
    ...bands,
    { key: "refused", label: words.refused, colour: LOOK[theme].bad, values: refused, isLine: true },
  ].filter((one) => one.values.some((value) => value !== null && value > 0));
  return {
    times: points.map((one) => one.time),
    series,
    marks: lostMarks(machine, words.lost),
    ...shown,
    isBytes: false,
    lang,
    description: words.description,
  };
}

/** Steps in which records were lost, with adjacent steps joined. */
function lostMarks(machine: Machine, word: (count: number) => string): Mark[] {
  const stepMs = machine.step_s * 1000;
  const spans: { from: number; to: number; lost: number }[] = [];
  for (const point of machine.series) {
    if (point.lost === 0) continue;
    const from = Date.parse(point.timestamp);
    const before = spans.at(-1);
    if (before !== undefined && before.to >= from) {
      before.to = from + stepMs;
      before.lost += point.lost;
    } else {
      spans.push({ from, to: from + stepMs, lost: point.lost });
    }
  }
  return spans.map(({ from, to, lost }) => ({ from, to, label: word(lost) }));
}

/**
 * Memory by program, the largest at the bottom. If no program has memory in a step, memtap was not
 * running, and the chart has a gap.
 */
export function programMemory(
  programs: Programs,
  shown: Stretch,
  colours: Colours,
  theme: Theme,
  lang: Lang,
  description: string,
): TimeChartData {
  const times = (programs.programs[0]?.series ?? []).map((point) => Date.parse(point.timestamp));
  const isKnown = times.map((_, step) => programs.programs.some(({ series }) => (series[step]?.value ?? 0) > 0));
  const series = programs.programs.map((program) => ({
    key: program.name,
    label: chartText(program.name),
    colour: programColour(colours, program.name, theme) ?? othersColour(theme),
    values: program.series.map((point, step) => (isKnown[step] === true ? point.value : null)),
  }));
  return { times, series, marks: [], ...shown, isBytes: true, lang, description };
}

export const MACHINE_PARTS = ["programs", "kernel", "cached"] as const;
export type MachinePart = (typeof MACHINE_PARTS)[number];

/** The machine's memory by part. The space above the bands is free memory. */
export function machineMemory(
  machine: Machine,
  shown: Stretch,
  theme: Theme,
  lang: Lang,
  words: Record<MachinePart, string> & { description: string },
): TimeChartData {
  const points = withGaps(machine.series.map((point) => ({ time: Date.parse(point.timestamp), point })), machine.step_s * 1000);
  const series = MACHINE_PARTS.map((part) => ({
    key: part,
    label: words[part],
    colour: LOOK[theme][part],
    values: points.map((one) => ("point" in one ? one.point[`${part}_bytes`] : null)),
  }));
  return {
    times: points.map((one) => one.time),
    series,
    marks: [],
    ...shown,
    isBytes: true,
    lang,
    description: words.description,
  };
}
