/** Measures by which the share chart compares programs. */
import type { Measure } from "../../model/history";

export const SHARE_MEASURES = ["requested", "granted", "resident", "virtual"] as const satisfies readonly Measure[];

export type ShareMeasure = (typeof SHARE_MEASURES)[number];
