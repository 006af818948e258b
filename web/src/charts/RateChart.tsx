/** Requests per second since the page was opened. */
import { useMemo } from "react";
import { useLive } from "../model/store";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { Chart } from "./Chart";
import { rateOption } from "./rateOption";

export function RateChart({ seesRequests }: { seesRequests: boolean }) {
  const { words, theme, lang } = useSettings();
  const points = useLive((state) => state.rates);
  const option = useMemo(() => rateOption(points, theme, lang, words.rates), [points, theme, lang, words]);
  return (
    <section className="card">
      <header className="card-head">
        <h2>{words.rates.title}</h2>
        <span className="muted">{words.rates.since}</span>
        <span className="keys">
          <i className="key-line" aria-hidden="true" /> {words.rates.requests}
          <i className="key-line key-bad" aria-hidden="true" /> {words.rates.refused}
        </span>
      </header>
      {seesRequests ? (
        <Chart option={option} testId="rate-chart" />
      ) : (
        <Say what={words.stream.noSource} next={words.share.noSourceHint} />
      )}
    </section>
  );
}
