/**
 * The strip under the title, which is always visible: the machine's memory, and signs of problems,
 * live or in the selected time.
 */
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

/** Interval of queries for the current state of another host. */
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

/** The selected time as a single step, or as two if it crosses a step's boundary. */
function useWhole(): Answer<Machine> {
  const { time } = useRoute();
  const seconds = time.kind === "live" ? time.seconds : Math.max(1, Math.ceil((time.to - time.from) / 1000));
  return useHistory<Machine>("machine", { step: seconds }, EVERY_MS);
}
