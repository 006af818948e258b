/** The colours of data. Names keep their slot (model/colours.ts); each theme has its own shade of a slot. */
import { SLOTS, type Colours } from "../model/colours";

export type Theme = "light" | "dark";

/** Ten hues that stay apart for colour-blind eyes (after Paul Tol's "muted"); no red, which is kept for what went wrong. */
const CATEGORICAL: Record<Theme, readonly string[]> = {
  light: ["#4477aa", "#ddaa33", "#117733", "#88ccee", "#882255", "#44aa99", "#aa4499", "#999933", "#332288", "#b07d62"],
  dark: ["#5b95cf", "#d9ac45", "#2e9455", "#9ad7f5", "#b3588a", "#55bfae", "#c673b9", "#b3b34d", "#7f74d6", "#c49a80"],
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

/** Black or white, whichever can be read better on that colour. */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => linear(Number.parseInt(colour.slice(at, at + 2), 16)));
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? "#0b0e12" : "#ffffff";
}

function linear(channel: number): number {
  const part = channel / 255;
  return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}
