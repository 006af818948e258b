/** The views. Each is a separate script. */
import { fetchDrawings } from "../charts/parts";
import type { Route, View } from "../lib/route";
import { part, type Part } from "../ui/part";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";

interface ViewProps {
  route: Route;
}

const waiting = <Placeholder />;

export const PARTS: Readonly<Record<View, Part<ViewProps>>> = {
  overview: part(async () => (await import("./OverviewView")).OverviewView, waiting),
  processes: part(async () => (await import("./ProcessesView")).ProcessesView, waiting),
  requests: part(async () => (await import("./RequestsView")).RequestsView, waiting),
  reports: part(async () => (await import("./ReportsView")).ReportsView, waiting),
  health: part(async () => (await import("./HealthView")).HealthView, waiting),
};

/**
 * Loads a view's script and the charts that it needs. After a failure, showing the view tries
 * again.
 */
export function fetchView(view: View): void {
  PARTS[view].fetch().catch(() => undefined);
  if (view === "overview") fetchDrawings();
}

function Placeholder() {
  const { t } = useSettings();
  return <Say what={t("frame.loading")} next="" />;
}
