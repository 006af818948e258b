/** Requests per second as an ECharts option. Pure. */
import type { EChartsCoreOption } from "echarts/core";
import { clock, count, rate, type Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import { RATE_SECONDS, type RatePoint } from "../model/rates";
import type { Translate } from "../i18n";
import { FONT, LOOK, tooltip } from "./look";

/** Shortest axis, so that the first seconds do not look like steep peaks. */
const LEAST_SECONDS = 60;

export function rateOption(points: readonly RatePoint[], theme: Theme, lang: Lang, t: Translate): EChartsCoreOption {
  const look = LOOK[theme];
  const label = { color: look.muted, fontFamily: FONT, fontSize: 11 };
  const top = Math.max(0, ...points.map((point) => point.requests ?? 0));
  return {
    animation: false,
    aria: { enabled: true, label: { description: t("overview.rates.aria", { now: points.at(-1)?.requests ?? 0, top }) } },
    grid: { left: 8, right: 12, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      ...tooltip(theme),
      trigger: "axis",
      axisPointer: { lineStyle: { color: look.muted } },
      formatter: (hits: { dataIndex: number }[]) => pointText(points[hits[0]?.dataIndex ?? -1], lang, t),
    },
    xAxis: {
      type: "time",
      ...axisOf(points),
      axisLine: { lineStyle: { color: look.line } },
      axisTick: { show: false },
      splitNumber: 5,
      axisLabel: { ...label, hideOverlap: true, formatter: (time: number) => clock(new Date(time).toISOString()) },
    },
    yAxis: {
      type: "value",
      min: 0,
      minInterval: 1,
      splitNumber: 4,
      splitLine: { lineStyle: { color: look.line } },
      axisLabel: { ...label, formatter: (value: number) => count(value, lang) },
    },
    series: [
      {
        type: "line",
        name: t("overview.rates.requests"),
        showSymbol: false,
        connectNulls: false,
        data: points.map((point) => [point.time, point.requests]),
        lineStyle: { color: look.accent, width: 1.5 },
        itemStyle: { color: look.accent },
        areaStyle: { color: look.area },
        markArea: lostAreas(points, theme, t),
      },
      {
        type: "line",
        name: t("overview.rates.refused"),
        showSymbol: false,
        connectNulls: false,
        data: points.map((point) => [point.time, point.refused]),
        lineStyle: { color: look.bad, width: 1.5 },
        itemStyle: { color: look.bad },
      },
    ],
  };
}

function axisOf(points: readonly RatePoint[]): { min: number; max: number } {
  const max = points.at(-1)?.time ?? 0;
  const first = Math.min(points[0]?.time ?? max, max - LEAST_SECONDS * 1000);
  return { min: Math.max(first, max - RATE_SECONDS * 1000), max };
}

function pointText(point: RatePoint | undefined, lang: Lang, t: Translate): string {
  if (point === undefined || point.requests === null) return "";
  const lines = [
    clock(new Date(point.time).toISOString()),
    `${rate(point.requests, lang)} ${t("overview.rates.requests")}`,
    `${rate(point.refused ?? 0, lang)} ${t("overview.rates.refused")}`,
  ];
  if (point.lost > 0) lines.push(t("overview.rates.lost", { count: point.lost }));
  return lines.join("\n");
}

/**
 * Periods in which records were lost, with adjacent seconds joined and the number of lost records.
 */
function lostAreas(points: readonly RatePoint[], theme: Theme, t: Translate) {
  const look = LOOK[theme];
  const axis = axisOf(points);
  const middle = (axis.min + axis.max) / 2;
  return {
    silent: true,
    itemStyle: { color: look.badArea, borderColor: look.bad, borderWidth: 1, borderType: "dashed" },
    label: { color: look.bad, fontFamily: FONT, fontSize: 11 },
    data: lostSpans(points).map((span) => [
      {
        name: t("overview.rates.lost", { count: span.lost }),
        xAxis: span.from,
        // Put the text on the side with more space.
        label: { position: span.from > middle ? "insideTopRight" : "insideTopLeft" },
      },
      { xAxis: span.to },
    ]),
  };
}

export interface LostSpan {
  from: number;
  to: number;
  lost: number;
}

export function lostSpans(points: readonly RatePoint[]): LostSpan[] {
  const spans: LostSpan[] = [];
  for (const [i, point] of points.entries()) {
    if (point.lost === 0) continue;
    const from = points[i - 1]?.time ?? point.time - 1000;
    const before = spans.at(-1);
    if (before !== undefined && before.to >= from) {
      before.to = point.time;
      before.lost += point.lost;
    } else {
      spans.push({ from, to: point.time, lost: point.lost });
    }
  }
  return spans;
}
