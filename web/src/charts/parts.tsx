/**
 * The drawings for the views. ECharts is a separate script, and a placeholder keeps the drawing's
 * space until it has loaded.
 */
import { part } from "../ui/part";
import { useSettings } from "../ui/settings";

export const Chart = part(async () => (await import("./drawings")).Chart, <Placeholder />);
export const TimeChart = part(async () => (await import("./drawings")).TimeChart, <Placeholder />);

function Placeholder() {
  const { t } = useSettings();
  return <div className="chart chart-waiting" role="status" aria-label={t("frame.loading")} />;
}

/** Loads the drawings' script before it is needed. */
export function fetchDrawings(): void {
  for (const drawing of [Chart, TimeChart]) drawing.fetch().catch(() => undefined);
}
