/**
 * Shown in place of a chart without data: it is loading, there is no data in that time, or the
 * query failed.
 */
import type { Answer } from "../../live/history";
import { Say } from "../../ui/Say";
import { useSettings } from "../../ui/settings";

export function Waiting({ answer }: { answer: Answer<unknown> }) {
  const { t } = useSettings();
  if (answer.problem !== null) return <Say what={t("time.failed")} next={answer.problem} />;
  if (answer.data === null) return <div className="chart chart-waiting" role="status" aria-label={t("time.asking")} />;
  return <Say what={t("time.nothing")} next={t("time.nothingHint")} />;
}
