/** What the share chart can compare programs by. */
import type { Measure } from "../../model/history";

export const SHARE_MEASURES = ["requested", "granted", "resident", "virtual"] as const satisfies readonly Measure[];

export type ShareMeasure = (typeof SHARE_MEASURES)[number];
