/** The numbers of the strip for a past time or another host. */
import { count, fixed, rate } from "../../lib/format";
import { sums } from "../../lib/machine";
import type { Machine } from "../../model/history";
import { useHref } from "../router";
import { useSettings } from "../settings";
import { Term } from "../Term";
import { HostChoice } from "./HostChoice";
import { Stat } from "./Stat";

export function PastStats({ machine }: { machine: Machine }) {
  const { t, lang } = useSettings();
  const href = useHref();
  const { seconds, requests, refused, lost, pressure } = sums(machine);
  const perSecond = (n: number) => (seconds > 0 ? rate(n / seconds, lang) : "–");
  return (
    <>
      <Stat
        href={href({ view: "overview" })}
        value={pressure === null ? "–" : `${fixed(pressure, 1, lang)} %`}
        label={<Term term="pressure">{t("strip.highestPressure")}</Term>}
        warning={pressure !== null && pressure >= 10 ? t("strip.underPressure") : undefined}
      />
      <Stat href={href({ view: "requests" })} value={perSecond(requests)} label={<Term term="request">{t("strip.perSecond")}</Term>} />
      <Stat
        href={href({ view: "requests", query: { refused: "true" } })}
        value={count(refused, lang)}
        label={<Term term="refused">{t("strip.refused")}</Term>}
        bad={refused > 0}
      />
      <Stat
        testId="lost"
        href={href({ view: "health" })}
        value={count(lost, lang)}
        label={<Term term="lost">{t("strip.lost")}</Term>}
        warning={lost > 0 ? t("strip.lostWord") : undefined}
      />
      <HostChoice />
    </>
  );
}
