/** Share of each program with its colour. Pure. */
import type { Translate } from "../i18n";
import { othersColour, programColour, type Theme } from "../lib/palette";
import { visibleName } from "../lib/visible";
import type { Colours } from "../model/colours";
import type { Programs } from "../model/history";
import type { Share } from "../model/wire";

export interface Slice {
  /** The program's name without escapes; null for Others. */
  program: string | null;
  label: string;
  bytes: number;
  percent: number;
  colour: string;
}

/** Converts the history's answer to the form of the live share. */
export function shareOf(programs: Programs): Share {
  const slices = programs.programs.map(({ name, value }) => ({ name, bytes: value }));
  const others = programs.others && { names: programs.others.names, bytes: programs.others.value };
  return { by: programs.by, total_bytes: programs.total, slices: slices.filter((slice) => slice.bytes > 0), others };
}

export function slicesOf(share: Share, colours: Colours, theme: Theme, t: Translate): Slice[] {
  const part = (amount: number) => (share.total_bytes > 0 ? (100 * amount) / share.total_bytes : 0);
  const slices: Slice[] = share.slices.map((slice) => ({
    program: slice.name,
    label: visibleName(slice.name),
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
