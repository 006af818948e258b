/** Memory and requests of a process over the selected time. */
import { useMemo } from "react";
import { TimeChart } from "../../charts/parts";
import { timeline } from "../../charts/usageData";
import { clockMs } from "../../lib/format";
import { drawn } from "../../lib/time";
import { visibleName } from "../../lib/visible";
import { useHistory, type Answer } from "../../live/history";
import type { ProcessCalls, Usage } from "../../model/history";
import { processKey } from "../../model/key";
import { useLive } from "../../model/store";
import type { ProcessId } from "../../model/wire";
import { useRoute } from "../../ui/router";
import { useSettings } from "../../ui/settings";
import { Term } from "../../ui/Term";
import { Legend } from "../overview/Legend";
import { Waiting } from "../overview/Waiting";

const EVERY_MS = 5_000;
/**
 * Longer than `EVERY_MS`, because counting requests is slower for the store. Live counts fill the
 * time in between.
 */
const CALLS_EVERY_MS = 15_000;
/** Maximum number of requests to count, the newest first. */
const ROWS = 500_000;
/** Maximum number of names to list. */
const NAMES = 6;

interface TimelineProps {
  id: ProcessId;
  /** The process's host if the page shows another one. */
  host?: string | undefined;
  end: string | null;
  /** Time of its OOM kill. */
  killed?: string | null;
}

export function Timeline({ id, host, end, killed = null }: TimelineProps) {
  const { t } = useSettings();
  const { pid, start_time } = id;
  const usage = useHistory<Usage>("usage", { pid, start_time, host }, EVERY_MS);
  // Use the steps of the usage, whose length the history chooses.
  const step = usage.data?.step_s ?? null;
  const calls = useHistory<ProcessCalls>(step === null ? null : `processes/${pid}/calls`, { start_time, host, step, rows: ROWS }, CALLS_EVERY_MS);
  const charts = useCharts(id, usage, calls, end, killed);
  return (
    <section className="timeline whole" data-testid="timeline">
      <h3>{t("process.timeline.title")}</h3>
      {charts === null ? (
        <Waiting answer={usage} />
      ) : (
        <>
          {charts.resident.times.length > 0 && (
            <>
              <Legend series={charts.resident.series} />
              <TimeChart data={charts.resident} testId="timeline-resident" />
              <Legend series={charts.virtual.series} />
              <TimeChart data={charts.virtual} testId="timeline-virtual" />
            </>
          )}
          <p className="muted">{t("process.timeline.requests")}</p>
          <Legend series={charts.requests.series} />
          <TimeChart data={charts.requests} testId="timeline-requests" />
          {charts.missing !== null && (
            <p className="muted" data-testid="calls-missing">
              {t("process.timeline.missing", { ...charts.missing })}
            </p>
          )}
          <Names calls={calls.data} />
        </>
      )}
    </section>
  );
}

function useCharts(id: ProcessId, usage: Answer<Usage>, calls: Answer<ProcessCalls>, end: string | null, killed: string | null) {
  const { t, theme, lang } = useSettings();
  const live = useLive((state) => (state.focus?.key === processKey(id) ? state.focus : null));
  const { ticks, ticksFrom } = live ?? { ticks: null, ticksFrom: 0 };
  const { data } = usage;
  const stored = calls.data;
  const isLive = useRoute().time.kind === "live";
  // A live range begins with the first data.
  const first = data?.series[0]?.timestamp;
  const shown = useMemo(() => usage.shown && drawn(usage.shown, first === undefined ? undefined : Date.parse(first), isLive), [usage.shown, first, isLive]);
  return useMemo(() => {
    if (data === null || shown === null || (data.series.length === 0 && (stored?.rows ?? 0) === 0)) return null;
    const words = {
      anonymous: t("process.anonymous"),
      file: t("process.file"),
      shmem: t("process.shmem"),
      virtual: t("process.virtual"),
      peak: t("process.timeline.peak"),
      others: t("overview.calls.others"),
      refused: t("process.timeline.refusedRate"),
      all: t("process.timeline.all"),
      description: t("process.timeline.description"),
      killed: t("process.killed"),
      renamed: (name: string) => `→ ${name}`,
      renamedAbout: (name: string, time: string) => t("process.timeline.renamed", { name, time }),
    };
    const until = Math.min(shown.to, end === null ? shown.to : Date.parse(end));
    const source = { usage: data, calls: stored, live: ticks && { ticks, ticksFrom }, killed, until, shown };
    return timeline(source, theme, lang, words);
  }, [data, shown, stored, ticks, ticksFrom, end, killed, theme, lang, t]);
}

/** The flags as text: the names that the process changed to. */
function Names({ calls }: { calls: ProcessCalls | null }) {
  const { t } = useSettings();
  const renames = calls?.names.slice(1) ?? [];
  if (renames.length === 0) return null;
  return (
    <p className="muted" data-testid="names">
      <Term term="newName">{t("process.timeline.names", { count: renames.length })}</Term>{" "}
      {renames.length > NAMES && "… "}
      {renames.slice(-NAMES).map(({ name, timestamp }, i) => (
        <span key={timestamp}>
          {i > 0 && ", "}
          <time dateTime={timestamp}>{clockMs(timestamp)}</time> <b><bdi>{visibleName(name)}</bdi></b>
        </span>
      ))}
      {calls?.cut === true && calls.since !== null && (
        <>
          {" · "}
          {t("process.timeline.cut", { count: calls.rows, time: clockMs(calls.since) })}
        </>
      )}
    </p>
  );
}
