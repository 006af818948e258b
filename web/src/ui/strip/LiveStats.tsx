/** The current numbers of the strip. */
import { meaningOf } from "../../i18n";
import { bytes, clock, count, exactBytes, fixed, rate } from "../../lib/format";
import { visible, visibleName } from "../../lib/visible";
import type { LiveData } from "../../model/state";
import { useLive } from "../../model/store";
import { useHref } from "../router";
import { useSettings } from "../settings";
import { Term } from "../Term";
import { HostChoice } from "./HostChoice";
import { Stat } from "./Stat";

export function LiveStats({ live }: { live: LiveData }) {
  return (
    <>
      <Rates live={live} />
      <Losses live={live} />
      <OomKills kills={live.health.oom_kills} />
      <HostAndSource live={live} />
    </>
  );
}

function Rates({ live }: { live: LiveData }) {
  const href = useHref();
  const { t, lang } = useSettings();
  const refused = useLive((state) => state.refusedPerSecond);
  const pressure = live.host.pressure;
  return (
    <>
      <Stat
        href={href({ view: "health" })}
        value={pressure ? `${fixed(pressure.some_avg10, 1, lang)} %` : "–"}
        label={<Term term="pressure">{t("strip.pressure")}</Term>}
        title={pressure ? "" : t("strip.noPressure")}
        warning={pressure && pressure.some_avg10 >= 10 ? t("strip.underPressure") : undefined}
      />
      <Stat
        href={href({ view: "requests" })}
        value={live.health.source === "procfs" ? "–" : rate(live.health.requests.per_second, lang)}
        label={<Term term="request">{t("strip.perSecond")}</Term>}
      />
      <Stat
        href={href({ view: "requests", query: { refused: "true" } })}
        value={live.health.source === "procfs" ? "–" : rate(refused, lang)}
        label={<Term term="refused">{t("strip.refusedPerSecond")}</Term>}
        bad={refused > 0}
      />
    </>
  );
}

function Losses({ live }: { live: LiveData }) {
  const href = useHref();
  const { t, lang } = useSettings();
  const { lost, lost_by_cause } = live.health.requests;
  const causes = Object.entries(lost_by_cause)
    .filter(([, n]) => n > 0)
    .map(([cause, n]) => `${meaningOf(t, "causes", cause) ?? visible(cause)}: ${count(n, lang)}`);
  return (
    <>
      <Stat
        testId="lost"
        href={href({ view: "health" })}
        value={count(lost, lang)}
        label={<Term term="lost">{t("strip.lost")}</Term>}
        title={causes.join("\n")}
        warning={lost > 0 ? t("strip.lostWord") : undefined}
      />
      <Stat
        href={href({ view: "processes", query: { sort: "-unexplained_bytes" } })}
        value={bytes(live.health.unexplained_bytes, lang)}
        label={<Term term="unexplained">{t("strip.unexplained")}</Term>}
        title={exactBytes(live.health.unexplained_bytes, lang)}
      />
    </>
  );
}

/** Shown only if there was an OOM kill, because that is the first thing to examine. */
function OomKills({ kills }: { kills: number }) {
  const href = useHref();
  const { t, lang } = useSettings();
  const latest = useLive((state) => state.oomKills).at(-1);
  if (kills === 0) return null;
  const title = latest && `${t("strip.oomLatest", { name: visibleName(latest.process_name) })} (${latest.pid}), ${clock(latest.timestamp)}`;
  return (
    <Stat
      testId="oom-kills"
      href={href({ view: "health" })}
      value={count(kills, lang)}
      label={<Term term="oomKill">{t("strip.oomKills")}</Term>}
      title={title ?? ""}
      bad
    />
  );
}

function HostAndSource({ live }: { live: LiveData }) {
  const href = useHref();
  const { t } = useSettings();
  return (
    <>
      <HostChoice />
      <Stat
        href={href({ view: "health" })}
        value={live.health.source === "bpf" ? "eBPF" : visible(live.health.source)}
        label={<Term term="source">{t("strip.source")}</Term>}
      />
    </>
  );
}
