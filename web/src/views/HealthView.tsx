/** Health of memtap: what it captures and loses, its store, and its costs. */
import type { ReactNode } from "react";
import { meaningOf, type Translate } from "../i18n";
import { bytes, count, duration, exactBytes, fixed, percent, rate } from "../lib/format";
import { visible } from "../lib/visible";
import { useLive } from "../model/store";
import type { Health, Host } from "../model/wire";
import { Notices } from "../ui/Notices";
import { useIsLive } from "../ui/router";
import { useSettings, type Settings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Facts, type Fact } from "./health/Facts";
import { PastHealth } from "./health/PastHealth";
import { OomKills } from "./OomKills";

export function HealthView() {
  return useIsLive() ? <LiveHealth /> : <PastHealth />;
}

function LiveHealth() {
  const settings = useSettings();
  const live = useLive((state) => state.live);
  const kills = useLive((state) => state.oomKills);
  if (live === null) return null;
  const { t } = settings;
  const { health, host } = live;
  return (
    <div className="health">
      <section className="card health-notices">
        <h2>{t("health.notices")}</h2>
        {health.notices.length > 0 ? <Notices notices={health.notices} /> : <p>{t("health.noNotices")}</p>}
      </section>
      <OomKills kills={kills} none={t("health.noOom")}>
        {health.oom_kills > 0 && <span className="bad">{t("health.oomSince", { kills: health.oom_kills })}</span>}
        {health.oom_kills > kills.length && <span className="muted">{t("health.oomShown", { count: kills.length })}</span>}
      </OomKills>
      <Facts title={t("health.capture")} facts={captureFacts(health, settings)} />
      <Facts title={<Term term="store">{t("health.store")}</Term>} facts={storeFacts(health, settings)} />
      <Facts title={t("health.clients")} facts={clientFacts(health, settings)} />
      <Facts title={t("health.self")} facts={selfFacts(health, settings)} />
      <Facts title={t("health.host")} facts={hostFacts(host, settings)} />
    </div>
  );
}

function captureFacts(health: Health, { t, lang }: Settings): Fact[] {
  const { version, source, uptime_s, requests, unexplained_bytes } = health;
  const isIncomplete = Object.values(requests.lost_by_cause).some((n) => n > 0);
  return [
    { name: t("health.version"), value: visible(version) },
    { name: <Term term="source">{t("health.source")}</Term>, value: meaningOf(t, "sources", source) ?? visible(source) },
    ...planFacts(health, t),
    { name: t("health.uptime"), value: duration(uptime_s) },
    { name: <Term term="made">{t("health.made")}</Term>, value: count(requests.made, lang) },
    { name: <Term term="request">{t("health.seen")}</Term>, value: count(requests.seen, lang) },
    { name: t("health.perSecond"), value: rate(requests.per_second, lang) },
    { name: <Term term="refused">{t("health.refused")}</Term>, value: count(requests.refused, lang), bad: requests.refused > 0 },
    { name: <Term term="lost">{t("health.lost")}</Term>, value: count(requests.lost, lang), bad: requests.lost > 0 },
    { name: t("health.lostByCause"), value: <Causes causes={requests.lost_by_cause} none={t("health.nothingLost")} />, bad: isIncomplete },
    { name: <Term term="unexplained">{t("health.unexplained")}</Term>, value: size(unexplained_bytes, lang) },
  ];
}

/** The tooltip explains the cost of the plan in the server's words. */
function planFacts({ plan, plan_about }: Health, t: Translate): Fact[] {
  if (plan === null) return [];
  const value = <span title={visible(plan_about ?? "")}>{meaningOf(t, "plans", plan) ?? visible(plan)}</span>;
  return [{ name: <Term term="plan">{t("health.plan")}</Term>, value }];
}

function Causes({ causes, none }: { causes: Record<string, number>; none: string }) {
  const { t, lang } = useSettings();
  const some = Object.entries(causes)
    .filter(([, n]) => n > 0)
    .toSorted(([, a], [, b]) => b - a);
  if (some.length === 0) return none;
  return (
    <ul className="causes">
      {some.map(([cause, n]) => (
        <li key={cause}>
          {count(n, lang)}: {meaningOf(t, "causes", cause) ?? visible(cause)}
        </li>
      ))}
    </ul>
  );
}

function storeFacts({ store }: Health, { t, lang }: Settings): Fact[] {
  return [
    { name: t("health.kind"), value: meaningOf(t, "stores", store.kind) ?? visible(store.kind) },
    { name: t("health.rows"), value: count(store.rows, lang) },
    { name: t("health.size"), value: size(store.bytes, lang) },
    { name: t("health.lag"), value: `${fixed(store.lag_s, 1, lang)} s`, bad: store.lag_s > 10 },
    { name: t("health.spooled"), value: count(store.spooled, lang) },
    { name: t("health.spoolBytes"), value: size(store.spool_bytes, lang), bad: store.spool_bytes > 0 },
    {
      name: t("health.dropped"),
      value: <Causes causes={store.dropped_by_cause} none={t("health.nothingDropped")} />,
      bad: store.dropped > 0,
    },
    { name: t("health.error"), value: store.error === null ? t("health.noError") : visible(store.error), bad: store.error !== null },
  ];
}

function clientFacts({ clients }: Health, { t, lang }: Settings): Fact[] {
  const isRefusing = Object.values(clients.refused_by_cause).some((n) => n > 0);
  return [
    { name: t("health.connections"), value: count(clients.connections, lang) },
    { name: t("health.sessions"), value: count(clients.sessions, lang) },
    { name: t("health.refusedClients"), value: <Causes causes={clients.refused_by_cause} none={t("health.noRefusedClients")} />, bad: isRefusing },
  ];
}

function selfFacts({ self, uptime_s, runs_as }: Health, { t, lang }: Settings): Fact[] {
  const cpuShare = uptime_s > 0 ? (100 * self.cpu_s) / uptime_s : 0;
  return [
    { name: t("health.cpu"), value: `${fixed(self.cpu_s, 1, lang)} s` },
    { name: t("health.cpuShare"), value: `${percent(cpuShare, lang)} %` },
    { name: <Term term="resident">{t("health.resident")}</Term>, value: size(self.resident_bytes, lang) },
    { name: t("health.user"), value: visible(runs_as.user) },
    { name: t("health.capabilities"), value: runs_as.capabilities.length === 0 ? t("health.noCapabilities") : runs_as.capabilities.join(", ") },
  ];
}

function hostFacts(host: Host, { t, lang }: Settings): Fact[] {
  const { memory, swap, pressure } = host;
  const swapUsed = swap.total_bytes - swap.free_bytes;
  const facts: Fact[] = [
    { name: t("strip.host"), value: visible(host.hostname) },
    { name: t("health.kernel"), value: visible(host.kernel) },
    { name: t("health.cpus"), value: count(host.cpus, lang) },
    { name: t("health.pageSize"), value: bytes(host.page_size, lang) },
    { name: t("health.memory"), value: size(memory.total_bytes, lang) },
    { name: t("health.available"), value: size(memory.available_bytes, lang) },
    {
      name: t("health.swap"),
      value: swap.total_bytes === 0 ? t("health.noSwap") : t("health.swapOf", { used: swapUsed, total: swap.total_bytes }),
    },
  ];
  if (pressure === null) return [...facts, { name: <Term term="pressure">{t("strip.pressure")}</Term>, value: t("strip.noPressure") }];
  return [
    ...facts,
    { name: <Term term="pressure">{t("health.pressureSome")}</Term>, value: `${fixed(pressure.some_avg10, 1, lang)} %`, bad: pressure.some_avg10 >= 10 },
    { name: t("health.pressureFull"), value: `${fixed(pressure.full_avg10, 1, lang)} %`, bad: pressure.full_avg10 >= 10 },
  ];
}

function size(value: number, lang: Settings["lang"]): ReactNode {
  return <span title={exactBytes(value, lang)}>{bytes(value, lang)}</span>;
}
