/** The strip under the title, always there: the machine's memory, and whether something is wrong; now, or in the time that is shown. */
import { duration } from "../../lib/format";
import { useHistory, type Answer } from "../../live/history";
import type { Machine } from "../../model/history";
import type { LiveData } from "../../model/state";
import type { ConnectionState } from "../Connection";
import { useIsLive, useRoute } from "../router";
import { useSettings } from "../settings";
import { LiveStats } from "./LiveStats";
import { MemoryBar } from "./MemoryBar";
import { PastStats } from "./PastStats";

/** While another machine is shown as it is now. */
const EVERY_MS = 5_000;

export function Strip({ live, connection }: { live: LiveData; connection: ConnectionState }) {
  const { t } = useSettings();
  const isLive = useIsLive();
  const isStale = isLive && connection.state === "stale";
  return (
    <section className={isStale ? "strip strip-stale" : "strip"} aria-label={t("strip.label")}>
      {isStale && <p className="stale-line">{t("frame.connection.staleStrip", { age: duration(connection.age) })}</p>}
      {isLive ? <Now live={live} /> : <Past />}
    </section>
  );
}

function Now({ live }: { live: LiveData }) {
  return (
    <>
      <MemoryBar memory={live.host.memory} withPrograms />
      <div className="stats">
        <LiveStats live={live} />
      </div>
    </>
  );
}

function Past() {
  const { t } = useSettings();
  const answer = useWhole();
  const end = answer.data?.series.at(-1);
  return (
    <>
      {end === undefined ? <p className="strip-past">{pastText(answer, t("time.asking"), t("time.nothing"))}</p> : <MemoryBar memory={end} />}
      <div className="stats">{answer.data !== null && <PastStats machine={answer.data} />}</div>
    </>
  );
}

function pastText(answer: Answer<Machine>, asking: string, nothing: string): string {
  return answer.problem ?? (answer.data === null ? asking : nothing);
}

/** The time that is shown as a single step, or the two that it may touch. */
function useWhole(): Answer<Machine> {
  const { time } = useRoute();
  const seconds = time.kind === "live" ? time.seconds : Math.max(1, Math.ceil((time.to - time.from) / 1000));
  return useHistory<Machine>("machine", { step: seconds }, EVERY_MS);
}
