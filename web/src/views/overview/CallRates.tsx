/** Requests per second by call in the selected time. */
import { useMemo } from "react";
import { callRates } from "../../charts/historyData";
import { TimeChart } from "../../charts/parts";
import type { Answer } from "../../live/history";
import type { Machine } from "../../model/history";
import { useSettings } from "../../ui/settings";
import { Legend } from "./Legend";
import { Waiting } from "./Waiting";

export function CallRates({ answer }: { answer: Answer<Machine> }) {
  const { t, theme, lang } = useSettings();
  const { data: machine, shown } = answer;
  const data = useMemo(() => {
    if (machine === null || shown === null) return null;
    const words = {
      others: t("overview.calls.others"),
      refused: t("overview.calls.refused"),
      lost: (count: number) => t("overview.calls.lost", { count }),
      description: t("overview.calls.description"),
    };
    return callRates(machine, shown, theme, lang, words);
  }, [machine, shown, theme, lang, t]);
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t("overview.calls.title")}</h2>
      </header>
      {data !== null && <Legend series={data.series} />}
      {data !== null && data.times.length > 0 ? <TimeChart data={data} testId="rate-chart" /> : <Waiting answer={answer} />}
    </section>
  );
}
