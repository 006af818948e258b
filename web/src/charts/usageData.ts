/** One process over time, converted for the time charts. Pure. */
import { clockMs, type Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import { cutMiddle } from "../lib/visible";
import type { Focus } from "../model/focus";
import type { ProcessCalls, Usage } from "../model/history";
import { callChart, callSteps, missingOf, type CallWords, type Missing } from "./callData";
import type { Stretch } from "./historyData";
import { chartText, LOOK } from "./look";
import type { Mark, TimeChartData } from "./timeOption";

type Step = Usage["series"][number];

/**
 * A point of the charts: a reported step, a time when nothing changed, or the start of a gap
 * (null).
 */
export interface Moment {
  time: number;
  step: Step | null;
  isStill: boolean;
}

/** The points up to `until`. Between two steps, nothing changed while memtap was running. */
export function moments({ series, step_s, watched }: Usage, until: number): Moment[] {
  const stepMs = step_s * 1000;
  const stretches = watched.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) }));
  const points: Moment[] = [];
  for (const [i, step] of series.entries()) {
    const time = Date.parse(step.timestamp);
    const next = series[i + 1];
    const end = next === undefined ? until : Date.parse(next.timestamp);
    // A step may be longer than the running time within it, and is known as a whole.
    const known = Math.max(time + stepMs, stretches.find(({ from, to }) => time + stepMs > from && time < to)?.to ?? 0);
    const isCut = known < end;
    points.push({ time, step, isStill: false });
    if (Math.min(known, end) - time > stepMs) points.push({ time: time + stepMs, step, isStill: true });
    const last = isCut ? known : next === undefined ? end : end - stepMs;
    if (last - time > stepMs) points.push({ time: last, step, isStill: true });
    if (isCut && next !== undefined) points.push({ time: known + 1, step: null, isStill: true });
  }
  return points;
}

export type TimelineWords = Record<"anonymous" | "file" | "shmem" | "virtual" | "peak", string> &
  CallWords & {
    killed: string;
    renamed: (name: string) => string;
    renamedAbout: (name: string, time: string) => string;
  };

export interface TimelineSource {
  usage: Usage;
  /** Stored requests by call; null until they are loaded. */
  calls: ProcessCalls | null;
  /** Counts since the page focused on the process; null in the past. */
  live: Pick<Focus, "ticks" | "ticksFrom"> | null;
  /** Time of its OOM kill. */
  killed: string | null;
  /** End of the process or of the selected time. */
  until: number;
  shown: Stretch;
}

export interface Timeline {
  resident: TimeChartData;
  virtual: TimeChartData;
  requests: TimeChartData;
  /** Numbers of requests if the bands by call are incomplete. */
  missing: Missing | null;
}

/**
 * Resident memory by kind, the virtual size, and requests per second by call: three charts with one
 * axis.
 */
export function timeline(source: TimelineSource, theme: Theme, lang: Lang, words: TimelineWords): Timeline {
  const { usage, calls, live, until, shown } = source;
  const all = moments(usage, until);
  const look = LOOK[theme];
  const marks = [...nameMarks(calls, shown, words), ...killMarks(source.killed, shown, words.killed)];
  // Only the first chart shows the labels.
  const quiet = marks.map((mark) => ({ ...mark, isQuiet: true }));
  const common = { times: all.map(({ time }) => time), ...shown, isBytes: true, lang };
  const amounts = (pick: (step: Step) => number) => all.map(({ step }) => (step === null ? null : pick(step)));
  const peaks = all.map(({ step, isStill }) =>
    step === null || isStill || step.peak_resident_bytes <= step.resident_bytes ? null : step.peak_resident_bytes,
  );
  const steps = callSteps(calls, live, usage.step_s * 1000);
  return {
    resident: {
      ...common,
      marks,
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
      marks: quiet,
      description: words.virtual,
      series: [{ key: "virtual", label: words.virtual, colour: look.accent, values: amounts((step) => step.virtual_bytes), isLine: true }],
    },
    requests: callChart({ usage, steps, until, shown, marks: quiet }, theme, lang, words),
    missing: missingOf(steps, usage),
  };
}

/** Flags for changes of the process name. The first name is not a change. */
function nameMarks(calls: ProcessCalls | null, { from, to }: Stretch, words: TimelineWords): Mark[] {
  const marks = (calls?.names ?? []).slice(1).map(({ name, timestamp }) => {
    const at = Date.parse(timestamp);
    const about = words.renamedAbout(chartText(cutMiddle(name, 24)), clockMs(timestamp));
    return { from: at, to: at, label: words.renamed(chartText(cutMiddle(name, 16))), about, isPlain: true };
  });
  return marks.filter((mark) => mark.from >= from && mark.from <= to);
}

function killMarks(killed: string | null, { from, to }: Stretch, label: string): Mark[] {
  const at = killed === null ? Number.NaN : Date.parse(killed);
  return at >= from && at <= to ? [{ from: at, to: at, label }] : [];
}
