/** The page: the frame and the current view. */
import { useEffect } from "react";
import { VIEWS } from "./lib/route";
import { useLive } from "./model/store";
import { Failure } from "./ui/Failure";
import { Frame } from "./ui/Frame";
import { useRoute } from "./ui/router";
import { Say } from "./ui/Say";
import { useSettings } from "./ui/settings";
import { fetchView, PARTS } from "./views/parts";

export function App() {
  const isLoaded = useLive((state) => state.live !== null);
  useOtherViews(isLoaded);
  return (
    <Frame>
      <Failure>{isLoaded ? <CurrentView /> : <Loading />}</Failure>
    </Frame>
  );
}

function CurrentView() {
  const route = useRoute();
  const Shown = PARTS[route.view];
  return <Shown key={route.view} route={route} />;
}

/**
 * Loads the scripts of the other views while the browser is idle, so that a click does not wait for
 * them.
 */
function useOtherViews(isLoaded: boolean): void {
  useEffect(() => {
    if (!isLoaded) return undefined;
    const fetchAll = () => VIEWS.forEach(fetchView);
    // Safari has no idle callbacks.
    if (!("requestIdleCallback" in window)) {
      const timer = setTimeout(fetchAll, 1_000);
      return () => clearTimeout(timer);
    }
    const idle = requestIdleCallback(fetchAll);
    return () => cancelIdleCallback(idle);
  }, [isLoaded]);
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
