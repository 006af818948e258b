/** Which view is shown. */
import { useLive } from "./model/store";
import { Failure } from "./ui/Failure";
import { Frame } from "./ui/Frame";
import { useRoute } from "./ui/router";
import { Say } from "./ui/Say";
import { useSettings } from "./ui/settings";
import { HealthView } from "./views/HealthView";
import { OverviewView } from "./views/OverviewView";
import { ProcessesView } from "./views/ProcessesView";
import { ReportsView } from "./views/ReportsView";
import { RequestsView } from "./views/RequestsView";

export function App() {
  const isLoaded = useLive((state) => state.live !== null);
  return (
    <Frame>
      <Failure>{isLoaded ? <CurrentView /> : <Loading />}</Failure>
    </Frame>
  );
}

function CurrentView() {
  const route = useRoute();
  switch (route.view) {
    case "overview":
      return <OverviewView />;
    case "processes":
      return <ProcessesView route={route} />;
    case "requests":
      return <RequestsView route={route} />;
    case "reports":
      return <ReportsView />;
    case "health":
      return <HealthView />;
  }
}

function Loading() {
  const { t } = useSettings();
  const problem = useLive((state) => state.problem);
  return (
    <Say what={t("frame.connection.connectingTitle")} next={t("frame.connection.connectingHint")} code="memtap serve">
      {problem !== null && <p className="muted">{t("frame.connection.problem", { why: problem })}</p>}
    </Say>
  );
}
