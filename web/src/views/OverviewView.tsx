/** The overview: request rates, shares of programs, memory, findings, and the first processes. */
import { useEffect, useMemo, useState } from "react";
import { RateChart } from "../charts/RateChart";
import { ShareChart } from "../charts/ShareChart";
import { drawn } from "../lib/time";
import { useHistory, type Answer } from "../live/history";
import type { Machine, Programs } from "../model/history";
import { dispatch, useLive } from "../model/store";
import { recalled, remember } from "../ui/memory";
import { useRoute } from "../ui/router";
import { Findings } from "./findings/Findings";
import { CallRates } from "./overview/CallRates";
import { FirstProcesses } from "./overview/FirstProcesses";
import { MemoryChart } from "./overview/MemoryChart";
import { SHARE_MEASURES, type ShareMeasure } from "./overview/measures";

/** Interval of the charts' queries while the page shows live data. */
const EVERY_MS = 5_000;
/** Number of programs in the memory chart, few enough to distinguish them. */
const CHARTED = 7;

export function OverviewView() {
  const live = useLive((state) => state.live);
  const hasHistory = live !== null && live.health.store.kind !== "none";
  const [measure, setMeasure] = useState<ShareMeasure>(() => recalled("measure", SHARE_MEASURES) ?? "requested");
  const choose = (value: ShareMeasure) => {
    remember("measure", value);
    setMeasure(value);
  };
  const machine = useHistory<Machine>(hasHistory ? "machine" : null, {}, EVERY_MS);
  const memory = useHistory<Programs>(hasHistory ? "programs" : null, { by: "resident", top: CHARTED }, EVERY_MS);
  const share = useHistory<Programs>(hasHistory ? "programs" : null, { by: measure, top: 10, step: 0 }, EVERY_MS);
  useColoursFor(memory.data, share.data);
  const [rates, programs] = useSameStretch(machine, memory);
  if (live === null) return null;
  const seesRequests = live.health.source !== "procfs";
  return (
    <div className="overview">
      {hasHistory && seesRequests ? <CallRates answer={rates} /> : <RateChart seesRequests={seesRequests} />}
      <ShareChart
        answer={hasHistory ? share : null}
        sinceStart={live.share}
        measure={measure}
        onMeasure={choose}
        seesRequests={seesRequests}
      />
      {hasHistory && <MemoryChart programs={programs} machine={rates} />}
      {hasHistory && <Findings />}
      <FirstProcesses />
    </div>
  );
}

/** Gives both charts the same range. A live range begins with memtap's first data. */
function useSameStretch(machine: Answer<Machine>, memory: Answer<Programs>): [Answer<Machine>, Answer<Programs>] {
  const isLive = useRoute().time.kind === "live";
  return useMemo(() => {
    const first = machine.data?.series[0];
    const cut = <T,>(answer: Answer<T>): Answer<T> => ({
      ...answer,
      shown: answer.shown && drawn(answer.shown, first && Date.parse(first.timestamp), isLive),
    });
    return [cut(machine), cut(memory)];
  }, [machine, memory, isLive]);
}

/** Gives each program the same colour in all charts. */
function useColoursFor(memory: Programs | null, share: Programs | null): void {
  useEffect(() => {
    const names = [memory, share].flatMap((answer) => answer?.programs.map((program) => program.name) ?? []);
    dispatch({ type: "charted", programs: [...new Set(names)] });
  }, [memory, share]);
}
