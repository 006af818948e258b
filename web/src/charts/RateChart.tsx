/** Requests per second since the page was opened. */
import { useMemo } from "react";
import { useLive } from "../model/store";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { Chart } from "./parts";
import { rateOption } from "./rateOption";

export function RateChart({ seesRequests }: { seesRequests: boolean }) {
  const { t, theme, lang } = useSettings();
  const points = useLive((state) => state.rates);
  const option = useMemo(() => rateOption(points, theme, lang, t), [points, theme, lang, t]);
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t("overview.rates.title")}</h2>
        <span className="muted">{t("overview.rates.since")}</span>
        <span className="keys">
          <i className="key-line" aria-hidden="true" /> {t("overview.rates.requests")}
          <i className="key-line key-bad" aria-hidden="true" /> {t("overview.rates.refused")}
        </span>
      </header>
      {seesRequests ? (
        <Chart option={option} testId="rate-chart" />
      ) : (
        <Say what={t("requests.noSource")} next={t("overview.share.noSourceHint")} />
      )}
    </section>
  );
}
