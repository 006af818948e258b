/**
 * Colours for data. A name keeps its slot (model/colours.ts), and each theme has its own shade of a
 * slot.
 */
import { SLOTS, type Colours } from "../model/colours";

export type Theme = "light" | "dark";

/**
 * Ten colours that colour-blind users can distinguish too (measured in test/palette.test.ts). They
 * started as Paul Tol's "muted" palette and were moved apart at a moderate chroma. There is no red,
 * which is reserved for problems.
 */
const CATEGORICAL: Record<Theme, readonly string[]> = {
  light: ["#6577c9", "#edc661", "#3c5301", "#4fdfff", "#5e0639", "#22a578", "#aa4499", "#b48b1a", "#332288", "#7b664d"],
  dark: ["#acbdff", "#e6e47c", "#1f7636", "#8bf0ff", "#a562a9", "#58d5ab", "#d1809f", "#87972f", "#6f97e8", "#ebac53"],
};
const OTHERS: Record<Theme, string> = { light: "#a3a9b1", dark: "#666e79" };

export function slotColour(slot: number, theme: Theme): string {
  return CATEGORICAL[theme][slot % SLOTS] ?? OTHERS[theme];
}

export function othersColour(theme: Theme): string {
  return OTHERS[theme];
}

export function programColour(colours: Colours, name: string, theme: Theme): string | null {
  const slot = colours.get(name);
  return slot === undefined ? null : slotColour(slot, theme);
}

/** Black or white, whichever is more readable on the colour. */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => linear(Number.parseInt(colour.slice(at, at + 2), 16)));
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? "#000000" : "#ffffff";
}

function linear(channel: number): number {
  const part = channel / 255;
  return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}
