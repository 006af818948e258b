/** Common style of all charts. ECharts draws on a canvas, where style sheets have no effect. */
import type { Theme } from "../lib/palette";
import { visibleName } from "../lib/visible";

interface Look {
  ink: string;
  muted: string;
  line: string;
  surface: string;
  accent: string;
  area: string;
  bad: string;
  badArea: string;
  programs: string;
  cached: string;
  kernel: string;
}

/** The same values as in styles/tokens.css. */
export const LOOK: Record<Theme, Look> = {
  light: {
    ink: "#15202b",
    muted: "#52606d",
    line: "#dfe5ea",
    surface: "#ffffff",
    accent: "#1f5f8b",
    area: "rgba(31, 95, 139, 0.16)",
    bad: "#b3261e",
    badArea: "rgba(179, 38, 30, 0.14)",
    programs: "#2f75a8",
    cached: "#a5cae4",
    kernel: "#6b7986",
  },
  dark: {
    ink: "#e3e9ee",
    muted: "#9aa8b5",
    line: "#28323c",
    surface: "#151c23",
    accent: "#7db8e8",
    area: "rgba(125, 184, 232, 0.18)",
    bad: "#ff8a80",
    badArea: "rgba(255, 138, 128, 0.2)",
    programs: "#5b95cf",
    cached: "#31597a",
    kernel: "#8795a2",
  },
};

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/**
 * Tooltip style. Tooltips are text on the canvas and never HTML, because process names are
 * untrusted.
 */
export function tooltip(theme: Theme): Record<string, unknown> {
  const look = LOOK[theme];
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: look.surface,
    borderColor: look.line,
    textStyle: { color: look.ink, fontFamily: FONT, fontSize: 12 },
    transitionDuration: 0,
  };
}

/**
 * Replaces braces in a name with similar characters, because rich text treats `{style|text}` as
 * markup.
 */
export function chartText(text: string): string {
  return visibleName(text).replaceAll("{", "❴").replaceAll("}", "❵");
}
