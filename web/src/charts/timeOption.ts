/** Amounts over time as an ECharts option: bands that are stacked, lines over them, and what is known to be missing. Pure. */
import type { EChartsCoreOption } from "echarts/core";
import { clock, dayClock } from "../lib/format";
import type { Theme } from "../lib/palette";
import { FONT, LOOK, tooltip } from "./look";

export interface TimeSeries {
  key: string;
  label: string;
  colour: string;
  /** At each of the chart's times; null is a gap. */
  values: readonly (number | null)[];
  /** A line over the bands instead of one of them. */
  isLine?: boolean;
  /** Of a line: a tick at each value, and nothing between them. */
  isTicks?: boolean;
}

/** A stretch of time with a word: records that were lost, an end of memory. */
export interface Mark {
  from: number;
  to: number;
  label: string;
}

export interface TimeChartData {
  /** Milliseconds, ascending. */
  times: readonly number[];
  series: readonly TimeSeries[];
  marks: readonly Mark[];
  /** The axis, whatever the data fill of it. */
  from: number;
  to: number;
  /** Whether amounts are bytes: the axis then has steps of powers of two. */
  isBytes: boolean;
  /** How an amount is written, on the axis and in the tooltip. */
  amount: (value: number) => string;
  /** What the drawing shows, in words. */
  description: string;
}

const DAY_MS = 86_400_000;

export function timeOption(data: TimeChartData, theme: Theme): EChartsCoreOption {
  const look = LOOK[theme];
  const label = { color: look.muted, fontFamily: FONT, fontSize: 11 };
  const isLong = data.to - data.from > DAY_MS;
  return {
    animation: false,
    aria: { enabled: true, label: { description: data.description } },
    grid: { left: 8, right: 14, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
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
      axisLabel: { ...label, hideOverlap: true, formatter: (time: number) => (isLong ? dayClock(time) : clock(iso(time)).slice(0, 5)) },
    },
    yAxis: {
      type: "value",
      min: 0,
      ...(data.isBytes ? byteSteps(highest(data.series)) : { splitNumber: 4 }),
      splitLine: { lineStyle: { color: look.line } },
      axisLabel: { ...label, formatter: data.amount },
    },
    series: data.series.map((one, index) => drawn(data, one, index === 0 ? marked(data.marks, theme) : undefined)),
  };
}

/** The highest that bands reach together, or a line. */
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

/** Four steps or a few more, each a power of two: 0, 2 GiB, 4 GiB and not 1.86 GiB. */
export function byteSteps(top: number): { interval: number; max: number } {
  const interval = 2 ** Math.ceil(Math.log2(Math.max(top, 4096) / 4));
  return { interval, max: Math.ceil(Math.max(top, 1) / interval) * interval };
}

function drawn(data: TimeChartData, one: TimeSeries, markArea: unknown) {
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
    ...(markArea === undefined ? {} : { markArea }),
  };
}

/** Hatched by its dashed edge, and labelled towards the side where there is room. */
function marked(marks: readonly Mark[], theme: Theme) {
  const look = LOOK[theme];
  return {
    silent: true,
    itemStyle: { color: look.badArea, borderColor: look.bad, borderWidth: 1, borderType: "dashed" },
    label: { color: look.bad, fontFamily: FONT, fontSize: 11, position: "insideTopLeft" },
    data: marks.map((mark) => [{ name: mark.label, xAxis: mark.from }, { xAxis: mark.to }]),
  };
}

function tipText(data: TimeChartData, index: number): string {
  const time = data.times[index];
  if (time === undefined) return "";
  const lines = [data.to - data.from > DAY_MS ? dayClock(time) : clock(iso(time))];
  // As they lie upon each other: the topmost first.
  for (const one of data.series.toReversed()) {
    const value = one.values[index];
    if (value !== null && value !== undefined && value > 0) lines.push(`${one.label}  ${data.amount(value)}`);
  }
  for (const mark of data.marks) if (time >= mark.from && time <= mark.to) lines.push(mark.label);
  return lines.join("\n");
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** Puts in a gap wherever a step is missing, so that no line is drawn over time of which nothing is known. */
export function withGaps<T extends { time: number }>(points: readonly T[], stepMs: number): (T | { time: number })[] {
  return points.flatMap((point, i) => {
    const before = points[i - 1];
    return before !== undefined && point.time - before.time > 2.5 * stepMs ? [{ time: before.time + stepMs }, point] : [point];
  });
}
