/** What stands in the place of a chart that has nothing to show: being asked for, no data in that time, or why not. */
import type { Answer } from "../../live/history";
import { Say } from "../../ui/Say";
import { useSettings } from "../../ui/settings";

export function Waiting({ answer }: { answer: Answer<unknown> }) {
  const { t } = useSettings();
  if (answer.problem !== null) return <Say what={t("time.failed")} next={answer.problem} />;
  if (answer.data === null) return <div className="chart chart-waiting" role="status" aria-label={t("time.asking")} />;
  return <Say what={t("time.nothing")} next={t("time.nothingHint")} />;
}
