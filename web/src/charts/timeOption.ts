/**
 * Amounts over time as an ECharts option: stacked bands, lines over them, and marks for missing
 * data. Pure.
 */
import type { EChartsCoreOption } from "echarts/core";
import { bytes, fineRate, type Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import { amountLabel, byteSteps, momentLabel, rateSteps, timeLabel } from "./axes";
import { FONT, LOOK, tooltip } from "./look";

export interface TimeSeries {
  key: string;
  label: string;
  colour: string;
  /** A value for each of the chart's times; null is a gap. */
  values: readonly (number | null)[];
  /** Draws a line over the bands instead of a band. */
  isLine?: boolean;
  /** Draws a tick at each value of a line, without connections. */
  isTicks?: boolean;
}

/** A labelled period, such as one with lost records, or a flag if `from` equals `to`. */
export interface Mark {
  from: number;
  to: number;
  label: string;
  /** Whole sentence for the tooltip. */
  about?: string;
  /** Marks an ordinary event. Others are drawn in the colour for problems. */
  isPlain?: boolean;
  /** Hides the label. */
  isQuiet?: boolean;
}

export interface TimeChartData {
  /** Milliseconds, ascending. */
  times: readonly number[];
  series: readonly TimeSeries[];
  marks: readonly Mark[];
  /** Range of the axis, even if the data do not fill it. */
  from: number;
  to: number;
  /** Amounts are bytes, and the axis has steps of powers of two. Otherwise they are rates. */
  isBytes: boolean;
  lang: Lang;
  /** Text alternative for the drawing. */
  description: string;
}

/**
 * Width of a flag's label as a part of the axis. A label that would overlap another is not written.
 */
const LABEL_PART = 0.12;

export function timeOption(data: TimeChartData, theme: Theme): EChartsCoreOption {
  const look = LOOK[theme];
  const label = { color: look.muted, fontFamily: FONT, fontSize: 11 };
  const top = highest(data.series);
  const steps = data.isBytes ? byteSteps(top) : rateSteps(top);
  const hasFlags = data.marks.some((mark) => mark.from === mark.to && mark.isQuiet !== true);
  return {
    animation: false,
    aria: { enabled: true, label: { description: data.description } },
    // The margins are fixed, so that a time has the same position in all charts of a view.
    grid: { left: 66, right: 20, top: hasFlags ? 22 : 12, bottom: 24, outerBoundsMode: "none" },
    tooltip: {
      ...tooltip(theme),
      trigger: "axis",
      axisPointer: { lineStyle: { color: look.muted } },
      formatter: (hits: { dataIndex: number }[]) => tipText(data, hits[0]?.dataIndex ?? -1),
    },
    xAxis: {
      type: "time",
      min: data.from,
      max: data.to,
      axisLine: { lineStyle: { color: look.line } },
      axisTick: { show: false },
      splitNumber: 5,
      axisLabel: { ...label, hideOverlap: true, formatter: (time: number) => timeLabel(time, data.to - data.from) },
    },
    yAxis: {
      type: "value",
      min: 0,
      ...steps,
      splitLine: { lineStyle: { color: look.line } },
      axisLabel: { ...label, formatter: (value: number) => amountLabel(value, steps.interval, data.isBytes, data.lang) },
    },
    series: data.series.map((one, index) => drawn(data, one, index === 0 ? marked(data, theme) : {})),
  };
}

/** Highest sum of the bands, or the highest line. */
function highest(series: readonly TimeSeries[]): number {
  let top = 0;
  for (let i = 0; i < (series[0]?.values.length ?? 0); i += 1) {
    let sum = 0;
    for (const one of series) {
      const value = one.values[i] ?? 0;
      if (one.isLine) top = Math.max(top, value);
      else sum += value;
    }
    top = Math.max(top, sum);
  }
  return top;
}

function drawn(data: TimeChartData, one: TimeSeries, marks: object) {
  const isLine = one.isLine === true;
  return {
    type: "line",
    name: one.label,
    showSymbol: data.times.length === 1 || one.isTicks === true,
    ...(one.isTicks === true ? { symbol: "rect", symbolSize: [8, 2] } : {}),
    connectNulls: false,
    data: data.times.map((time, i) => [time, one.values[i] ?? null]),
    itemStyle: { color: one.colour },
    lineStyle: { color: one.colour, width: one.isTicks === true ? 0 : isLine ? 1.5 : 0.5 },
    ...(isLine ? {} : { stack: "all", areaStyle: { color: one.colour, opacity: 0.85 } }),
    ...marks,
  };
}

/** Periods as areas with dashed edges, and flags as dashed lines. */
function marked({ marks, from, to }: TimeChartData, theme: Theme) {
  const look = LOOK[theme];
  const font = { fontFamily: FONT, fontSize: 11 };
  const stretches = marks.filter((mark) => mark.from < mark.to);
  const flags = flagged(marks.filter((mark) => mark.from === mark.to), (to - from) * LABEL_PART);
  return {
    markArea: {
      silent: true,
      itemStyle: { color: look.badArea, borderColor: look.bad, borderWidth: 1, borderType: "dashed" },
      label: { color: look.bad, ...font, position: "insideTopLeft" },
      data: stretches.map((mark) => [{ name: mark.label, xAxis: mark.from }, { xAxis: mark.to }]),
    },
    markLine: {
      silent: true,
      symbol: "none",
      animation: false,
      data: flags.map(({ mark, isWritten }) => {
        const color = mark.isPlain === true ? look.muted : look.bad;
        const part = (mark.from - from) / (to - from);
        const align = part < 0.15 ? "left" : part > 0.85 ? "right" : "center";
        const label = { show: isWritten, formatter: mark.label, position: "end", distance: 3, align, color, ...font };
        return { xAxis: mark.from, name: mark.label, lineStyle: { color, width: 1, type: "dashed" }, label };
      }),
    },
  };
}

/** Decides which flags have space for their label, the latest first. */
function flagged(flags: readonly Mark[], room: number): { mark: Mark; isWritten: boolean }[] {
  let lastWritten = Number.POSITIVE_INFINITY;
  return flags.toSorted((a, b) => b.from - a.from).map((mark) => {
    const isWritten = mark.isQuiet !== true && lastWritten - mark.from >= room;
    if (isWritten) lastWritten = mark.from;
    return { mark, isWritten };
  });
}

function tipText(data: TimeChartData, index: number): string {
  const time = data.times[index];
  if (time === undefined) return "";
  const range = data.to - data.from;
  const lines = [momentLabel(time, range)];
  // In the order of the bands, the topmost first.
  for (const one of data.series.toReversed()) {
    const value = one.values[index];
    if (value === null || value === undefined || value <= 0) continue;
    lines.push(`${one.label}  ${data.isBytes ? bytes(value, data.lang) : fineRate(value, data.lang)}`);
  }
  // The tooltip includes flags near the pointer.
  for (const mark of data.marks) {
    const near = mark.from === mark.to ? range / 100 : 0;
    if (time >= mark.from - near && time <= mark.to + near) lines.push(mark.about ?? mark.label);
  }
  return lines.join("\n");
}

/** Inserts a gap wherever a step is missing, so that no line crosses a time without data. */
export function withGaps<T extends { time: number }>(points: readonly T[], stepMs: number): (T | { time: number })[] {
  return points.flatMap((point, i) => {
    const before = points[i - 1];
    return before !== undefined && point.time - before.time > 2.5 * stepMs ? [{ time: before.time + stepMs }, point] : [point];
  });
}
