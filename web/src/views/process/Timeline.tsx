/** What a process had, and asked for, over the time that the page shows. */
import { useMemo } from "react";
import { TimeChart } from "../../charts/parts";
import type { Mark } from "../../charts/timeOption";
import { timeline } from "../../charts/usageData";
import { useHistory } from "../../live/history";
import type { Usage } from "../../model/history";
import type { ProcessId } from "../../model/wire";
import { useSettings } from "../../ui/settings";
import { Legend } from "../overview/Legend";
import { Waiting } from "../overview/Waiting";

const EVERY_MS = 5_000;

interface TimelineProps {
  id: ProcessId;
  end: string | null;
  /** When the kernel ended it for want of memory. */
  killed?: string | null;
}

export function Timeline({ id: { pid, start_time }, end, killed = null }: TimelineProps) {
  const { t, theme, lang } = useSettings();
  const answer = useHistory<Usage>("usage", { pid, start_time }, EVERY_MS);
  const { data: usage, shown } = answer;
  const charts = useMemo(() => {
    if (usage === null || shown === null || usage.series.length === 0) return null;
    const words = {
      anonymous: t("process.anonymous"),
      file: t("process.file"),
      shmem: t("process.shmem"),
      virtual: t("process.virtual"),
      peak: t("process.timeline.peak"),
      requests: t("process.timeline.requests"),
      refused: t("process.timeline.refusedRate"),
    };
    const until = Math.min(shown.to, end === null ? shown.to : Date.parse(end));
    return timeline(usage, until, shown, killMarks(killed, shown, t("process.killed")), theme, lang, words);
  }, [usage, shown, end, killed, theme, lang, t]);
  return (
    <section className="timeline whole" data-testid="timeline">
      <h3>{t("process.timeline.title")}</h3>
      {charts === null ? (
        <Waiting answer={answer} />
      ) : (
        <>
          <Legend series={charts.resident.series} />
          <TimeChart data={charts.resident} testId="timeline-resident" />
          <Legend series={charts.virtual.series} />
          <TimeChart data={charts.virtual} testId="timeline-virtual" />
          <Legend series={charts.requests.series} />
          <TimeChart data={charts.requests} testId="timeline-requests" />
        </>
      )}
    </section>
  );
}

function killMarks(killed: string | null, { from, to }: { from: number; to: number }, label: string): Mark[] {
  const at = killed === null ? Number.NaN : Date.parse(killed);
  return at >= from && at <= to ? [{ from: at, to: at + (to - from) / 300, label }] : [];
}
