/** The strip under the title, always there: the machine's memory, and whether something is wrong. */
import type { ReactNode } from "react";
import { meaningOf } from "../i18n";
import { bytes, clock, count, duration, exactBytes, fixed, percent, rate } from "../lib/format";
import { routeHash } from "../lib/route";
import { useLive } from "../model/store";
import type { LiveData } from "../model/state";
import { visible, visibleName } from "../lib/visible";
import type { ConnectionState } from "./Connection";
import { useSettings } from "./settings";
import { Term } from "./Term";

export function Strip({ live, connection }: { live: LiveData; connection: ConnectionState }) {
  const { t } = useSettings();
  const isStale = connection.state === "stale";
  return (
    <section className={isStale ? "strip strip-stale" : "strip"} aria-label={t("strip.label")}>
      {isStale && <p className="stale-line">{t("frame.connection.staleStrip", { age: duration(connection.age) })}</p>}
      <MemoryBar live={live} />
      <div className="stats">
        <Rates live={live} />
        <Losses live={live} />
        <OomKills kills={live.health.oom_kills} />
        <Where live={live} />
      </div>
    </section>
  );
}

function MemoryBar({ live }: { live: LiveData }) {
  const { t, lang } = useSettings();
  const memory = live.host.memory;
  const parts = [
    { key: "programs", value: memory.programs_bytes },
    { key: "cache", value: memory.cached_bytes },
    { key: "kernel", value: memory.kernel_bytes },
    { key: "free", value: memory.free_bytes },
  ] as const;
  const share = (value: number) => (memory.total_bytes > 0 ? (100 * value) / memory.total_bytes : 0);
  return (
    <a className="memory" href={routeHash({ view: "processes" })} aria-label={t("strip.memory")}>
      <span className="memory-total" title={exactBytes(memory.total_bytes, lang)}>
        {bytes(memory.total_bytes, lang)}
      </span>
      <span className="memory-bar" aria-hidden="true">
        {parts.map((part) => (
          <span key={part.key} className={`part part-${part.key}`} style={{ flexGrow: part.value }} />
        ))}
      </span>
      <span className="legend">
        {parts.map((part) => (
          <span key={part.key} title={exactBytes(part.value, lang)}>
            <i className={`part part-${part.key}`} aria-hidden="true" />
            {t(`strip.parts.${part.key}`)} <b>{bytes(part.value, lang)}</b> {percent(share(part.value), lang)} %
          </span>
        ))}
      </span>
    </a>
  );
}

interface StatProps {
  href: string;
  value: ReactNode;
  label: ReactNode;
  bad?: boolean;
  /** The word that stands beside a bad number. */
  warning?: string | undefined;
  title?: string;
  testId?: string;
}

/** One number with its word; a link to the view that explains it. */
function Stat(props: StatProps) {
  return (
    <div className={props.bad || props.warning ? "stat stat-bad" : "stat"} data-testid={props.testId} title={props.title}>
      <a href={props.href}>{props.value}</a>
      <span className="stat-label">
        {props.label}
        {props.warning && <b> · {props.warning}</b>}
      </span>
    </div>
  );
}

function Rates({ live }: { live: LiveData }) {
  const { t, lang } = useSettings();
  const refused = useLive((state) => state.refusedPerSecond);
  const pressure = live.host.pressure;
  return (
    <>
      <Stat
        href={routeHash({ view: "health" })}
        value={pressure ? `${fixed(pressure.some_avg10, 1, lang)} %` : "–"}
        label={<Term term="pressure">{t("strip.pressure")}</Term>}
        title={pressure ? "" : t("strip.noPressure")}
        warning={pressure && pressure.some_avg10 >= 10 ? t("strip.underPressure") : undefined}
      />
      <Stat
        href={routeHash({ view: "requests" })}
        value={live.health.source === "procfs" ? "–" : rate(live.health.requests.per_second, lang)}
        label={<Term term="request">{t("strip.perSecond")}</Term>}
      />
      <Stat
        href={routeHash({ view: "requests", query: { refused: "true" } })}
        value={live.health.source === "procfs" ? "–" : rate(refused, lang)}
        label={<Term term="refused">{t("strip.refusedPerSecond")}</Term>}
        bad={refused > 0}
      />
    </>
  );
}

function Losses({ live }: { live: LiveData }) {
  const { t, lang } = useSettings();
  const { lost, lost_by_cause } = live.health.requests;
  const causes = Object.entries(lost_by_cause)
    .filter(([, n]) => n > 0)
    .map(([cause, n]) => `${meaningOf(t, "causes", cause) ?? visible(cause)}: ${count(n, lang)}`);
  return (
    <>
      <Stat
        testId="lost"
        href={routeHash({ view: "health" })}
        value={count(lost, lang)}
        label={<Term term="lost">{t("strip.lost")}</Term>}
        title={causes.join("\n")}
        warning={lost > 0 ? t("strip.lostWord") : undefined}
      />
      <Stat
        href={routeHash({ view: "processes", query: { sort: "-unexplained_bytes" } })}
        value={bytes(live.health.unexplained_bytes, lang)}
        label={<Term term="unexplained">{t("strip.unexplained")}</Term>}
        title={exactBytes(live.health.unexplained_bytes, lang)}
      />
    </>
  );
}

/** Only where there was one: it is the first thing to look at. */
function OomKills({ kills }: { kills: number }) {
  const { t, lang } = useSettings();
  const latest = useLive((state) => state.oomKills).at(-1);
  if (kills === 0) return null;
  const title = latest && `${t("strip.oomLatest", { name: visibleName(latest.process_name) })} (${latest.pid}), ${clock(latest.timestamp)}`;
  return (
    <Stat
      testId="oom-kills"
      href={routeHash({ view: "health" })}
      value={count(kills, lang)}
      label={<Term term="oomKill">{t("strip.oomKills")}</Term>}
      title={title ?? ""}
      bad
    />
  );
}

function Where({ live }: { live: LiveData }) {
  const { t } = useSettings();
  return (
    <>
      <Stat href={routeHash({ view: "health" })} value={visible(live.host.hostname)} label={t("strip.host")} />
      <Stat
        href={routeHash({ view: "health" })}
        value={live.health.source === "bpf" ? "eBPF" : visible(live.health.source)}
        label={<Term term="source">{t("strip.source")}</Term>}
      />
    </>
  );
}
