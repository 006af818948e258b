/** Who requested how much: slices with their colours, and the ECharts option that draws them. Pure. */
import type { EChartsCoreOption } from "echarts/core";
import type { Translate } from "../i18n";
import { bytes, percent, type Lang } from "../lib/format";
import { inkOn, othersColour, programColour, type Theme } from "../lib/palette";
import { cutMiddle } from "../lib/visible";
import type { Colours } from "../model/colours";
import type { Programs } from "../model/history";
import type { Share } from "../model/wire";
import { chartText, FONT, LOOK, tooltip } from "./look";

export type ShareKind = "treemap" | "pie";

export interface Slice {
  /** The program's name as it came; null for Others. */
  program: string | null;
  label: string;
  bytes: number;
  percent: number;
  colour: string;
}

/** The history's answer in the form of the live share. */
export function shareOf(programs: Programs): Share {
  const slices = programs.programs.map(({ name, value }) => ({ name, bytes: value }));
  const others = programs.others && { names: programs.others.names, bytes: programs.others.value };
  return { by: programs.by, total_bytes: programs.total, slices: slices.filter((slice) => slice.bytes > 0), others };
}

export function slicesOf(share: Share, colours: Colours, theme: Theme, t: Translate): Slice[] {
  const part = (amount: number) => (share.total_bytes > 0 ? (100 * amount) / share.total_bytes : 0);
  const slices: Slice[] = share.slices.map((slice) => ({
    program: slice.name,
    label: chartText(slice.name),
    bytes: slice.bytes,
    percent: part(slice.bytes),
    colour: programColour(colours, slice.name, theme) ?? othersColour(theme),
  }));
  if (share.others !== null) {
    slices.push({
      program: null,
      label: t("overview.share.others", { count: share.others.names }),
      bytes: share.others.bytes,
      percent: part(share.others.bytes),
      colour: othersColour(theme),
    });
  }
  return slices;
}

export function shareOption(slices: readonly Slice[], kind: ShareKind, theme: Theme, lang: Lang, t: Translate): EChartsCoreOption {
  const amount = (slice: Slice) => `${bytes(slice.bytes, lang)} · ${percent(slice.percent, lang)} %`;
  const list = slices.map((slice) => `${slice.label}: ${amount(slice)}`).join("; ");
  const text = (hit: { dataIndex: number }) => {
    // The treemap counts its root as the first datum.
    const slice = slices[hit.dataIndex - (kind === "treemap" ? 1 : 0)];
    return slice === undefined ? "" : `${cutMiddle(slice.label, 40)}\n${amount(slice)}`;
  };
  return {
    animation: false,
    aria: { enabled: true, label: { description: t("overview.share.aria", { list }) } },
    tooltip: { ...tooltip(theme), trigger: "item", formatter: text },
    series: [kind === "treemap" ? treemap(slices, theme, lang) : pie(slices, theme)],
  };
}

function treemap(slices: readonly Slice[], theme: Theme, lang: Lang) {
  return {
    type: "treemap",
    animation: false,
    roam: false,
    nodeClick: false,
    breadcrumb: { show: false },
    left: 0,
    right: 0,
    top: 0,
    bottom: 0,
    itemStyle: { gapWidth: 2, borderWidth: 0, borderColor: LOOK[theme].surface },
    data: slices.map((slice) => ({
      name: slice.label,
      value: slice.bytes,
      itemStyle: { color: slice.colour },
      label: {
        color: inkOn(slice.colour),
        fontFamily: FONT,
        fontSize: 12,
        lineHeight: 16,
        overflow: "truncate",
        formatter: () => `${cutMiddle(slice.label, 24)}\n${bytes(slice.bytes, lang)}`,
      },
    })),
  };
}

function pie(slices: readonly Slice[], theme: Theme) {
  return {
    type: "pie",
    radius: ["48%", "94%"],
    // The list beside the chart names the slices.
    label: { show: false },
    itemStyle: { borderColor: LOOK[theme].surface, borderWidth: 2 },
    data: slices.map((slice) => ({ name: slice.label, value: slice.bytes, itemStyle: { color: slice.colour } })),
  };
}
