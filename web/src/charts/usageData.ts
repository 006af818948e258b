/** What one process had over time, as what the time charts draw. Pure. */
import { bytes, rate, type Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import type { Usage } from "../model/history";
import type { Stretch } from "./historyData";
import { LOOK } from "./look";
import type { Mark, TimeChartData } from "./timeOption";

type Step = Usage["series"][number];

/** A moment of its life: a step that was told, or one in which nothing changed. */
export interface Moment {
  time: number;
  step: Step;
  isStill: boolean;
}

/** The steps up to `until`; between them the process did nothing, and has what it had. */
export function moments({ series, step_s }: Usage, until: number): Moment[] {
  const stepMs = step_s * 1000;
  const found: Moment[] = [];
  for (const [i, step] of series.entries()) {
    const time = Date.parse(step.timestamp);
    const next = series[i + 1];
    const end = next === undefined ? until : Date.parse(next.timestamp);
    found.push({ time, step, isStill: false });
    if (end - time > stepMs) found.push({ time: time + stepMs, step, isStill: true });
    const before = next === undefined ? end : end - stepMs;
    if (before - time > stepMs) found.push({ time: before, step, isStill: true });
  }
  return found;
}

type Words = Record<"anonymous" | "file" | "shmem" | "virtual" | "peak" | "requests" | "refused", string>;

export interface Timeline {
  resident: TimeChartData;
  virtual: TimeChartData;
  requests: TimeChartData;
}

/** Resident memory in bands by kind, the virtual size, and requests per second: three charts of one axis. */
export function timeline(usage: Usage, until: number, shown: Stretch, marks: readonly Mark[], theme: Theme, lang: Lang, words: Words): Timeline {
  const all = moments(usage, until);
  const look = LOOK[theme];
  const common = { times: all.map(({ time }) => time), marks, ...shown };
  const amounts = (pick: (step: Step) => number) => all.map(({ step }) => pick(step));
  const rates = (pick: (step: Step) => number) => all.map(({ step, isStill }) => (isStill ? 0 : pick(step) / usage.step_s));
  const peaks = all.map(({ step, isStill }) => (isStill || step.peak_resident_bytes <= step.resident_bytes ? null : step.peak_resident_bytes));
  const inBytes = { isBytes: true, amount: (value: number) => bytes(value, lang) };
  return {
    resident: {
      ...common,
      ...inBytes,
      description: `${words.anonymous}, ${words.file}, ${words.shmem}`,
      series: [
        { key: "anonymous", label: words.anonymous, colour: look.programs, values: amounts((step) => step.anonymous_bytes) },
        { key: "file", label: words.file, colour: look.cached, values: amounts((step) => step.file_bytes) },
        { key: "shmem", label: words.shmem, colour: look.kernel, values: amounts((step) => step.shmem_bytes) },
        { key: "peak", label: words.peak, colour: look.ink, values: peaks, isLine: true, isTicks: true },
      ],
    },
    virtual: {
      ...common,
      ...inBytes,
      description: words.virtual,
      series: [{ key: "virtual", label: words.virtual, colour: look.accent, values: amounts((step) => step.virtual_bytes), isLine: true }],
    },
    requests: {
      ...common,
      isBytes: false,
      amount: (value) => rate(value, lang),
      description: `${words.requests}, ${words.refused}`,
      series: [
        { key: "requests", label: words.requests, colour: look.accent, values: rates((step) => step.requests), isLine: true },
        { key: "refused", label: words.refused, colour: look.bad, values: rates((step) => step.refused), isLine: true },
      ],
    },
  };
}
