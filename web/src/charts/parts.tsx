/** The drawings as the views use them: ECharts is a script of its own, and their place is kept until it is there. */
import { part } from "../ui/part";
import { useSettings } from "../ui/settings";

export const Chart = part(async () => (await import("./drawings")).Chart, <Coming />);
export const TimeChart = part(async () => (await import("./drawings")).TimeChart, <Coming />);

function Coming() {
  const { t } = useSettings();
  return <div className="chart chart-waiting" role="status" aria-label={t("frame.loading")} />;
}

/** For whoever will draw soon. */
export function fetchDrawings(): void {
  for (const drawing of [Chart, TimeChart]) drawing.fetch().catch(() => undefined);
}
