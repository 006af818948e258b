/** How memtap itself is: what it captures, what it lost, what it keeps, and what it costs. */
import type { ReactNode } from "react";
import type { Words } from "../i18n/en";
import { bytes, count, duration, exactBytes, fixed, percent, rate } from "../lib/format";
import { visible } from "../lib/visible";
import { useLive } from "../model/store";
import type { Health, Host } from "../model/wire";
import { Notices } from "../ui/Notices";
import { useSettings, type Settings } from "../ui/settings";
import { Term } from "../ui/Term";
import { OomKills } from "./OomKills";

/** One line of a card: what it is, how it is, and whether that is bad. */
interface Fact {
  name: ReactNode;
  value: ReactNode;
  bad?: boolean;
}

export function HealthView() {
  const settings = useSettings();
  const live = useLive((state) => state.live);
  if (live === null) return null;
  const { words } = settings;
  const { health, host } = live;
  return (
    <div className="health">
      <section className="card health-notices">
        <h2>{words.health.notices}</h2>
        {health.notices.length > 0 ? <Notices notices={health.notices} /> : <p>{words.health.noNotices}</p>}
      </section>
      <OomKills total={health.oom_kills} />
      <Facts title={words.health.capture} facts={captureFacts(health, settings)} />
      <Facts title={<Term term="store">{words.health.store}</Term>} facts={storeFacts(health, settings)} />
      <Facts title={words.health.self} facts={selfFacts(health, settings)} />
      <Facts title={words.health.host} facts={hostFacts(host, settings)} />
    </div>
  );
}

function Facts({ title, facts }: { title: ReactNode; facts: readonly Fact[] }) {
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="facts">
        {facts.map((fact, i) => (
          // The facts of a card are always the same ones in the same order.
          // oxlint-disable-next-line react/no-array-index-key
          <div key={i}>
            <dt>{fact.name}</dt>
            <dd className={fact.bad ? "bad" : ""}>{fact.value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function captureFacts(health: Health, { words, lang }: Settings): Fact[] {
  const { version, source, uptime_s, requests, unexplained_bytes } = health;
  const names = words.health;
  const isIncomplete = Object.values(requests.lost_by_cause).some((n) => n > 0);
  return [
    { name: names.version, value: visible(version) },
    { name: <Term term="source">{names.source}</Term>, value: names.sources[source] ?? visible(source) },
    ...planFacts(health, words),
    { name: names.uptime, value: duration(uptime_s) },
    { name: <Term term="made">{names.made}</Term>, value: count(requests.made, lang) },
    { name: <Term term="request">{names.seen}</Term>, value: count(requests.seen, lang) },
    { name: names.perSecond, value: rate(requests.per_second, lang) },
    { name: <Term term="refused">{names.refused}</Term>, value: count(requests.refused, lang), bad: requests.refused > 0 },
    { name: <Term term="lost">{names.lost}</Term>, value: count(requests.lost, lang), bad: requests.lost > 0 },
    { name: names.lostByCause, value: <Causes causes={requests.lost_by_cause} none={names.nothingLost} />, bad: isIncomplete },
    { name: <Term term="unexplained">{names.unexplained}</Term>, value: size(unexplained_bytes, lang) },
  ];
}

/** The title says in memtap's own words what it costs. */
function planFacts({ plan, plan_about }: Health, words: Words): Fact[] {
  if (plan === null) return [];
  const value = <span title={visible(plan_about ?? "")}>{words.health.plans[plan] ?? visible(plan)}</span>;
  return [{ name: <Term term="plan">{words.health.plan}</Term>, value }];
}

function Causes({ causes, none }: { causes: Record<string, number>; none: string }) {
  const { words, lang } = useSettings();
  const some = Object.entries(causes)
    .filter(([, n]) => n > 0)
    .toSorted(([, a], [, b]) => b - a);
  if (some.length === 0) return none;
  return (
    <ul className="causes">
      {some.map(([cause, n]) => (
        <li key={cause}>
          {count(n, lang)}: {words.health.causes[cause] ?? visible(cause)}
        </li>
      ))}
    </ul>
  );
}

function storeFacts({ store }: Health, { words, lang }: Settings): Fact[] {
  const names = words.health;
  return [
    { name: names.kind, value: names.kinds[store.kind] ?? visible(store.kind) },
    { name: names.rows, value: count(store.rows, lang) },
    { name: names.size, value: size(store.bytes, lang) },
    { name: names.lag, value: `${fixed(store.lag_s, 1, lang)} s`, bad: store.lag_s > 10 },
    { name: names.spooled, value: count(store.spooled, lang) },
    { name: names.spoolBytes, value: size(store.spool_bytes, lang), bad: store.spool_bytes > 0 },
    {
      name: names.dropped,
      value: <Causes causes={store.dropped_by_cause} none={names.nothingDropped} />,
      bad: store.dropped > 0,
    },
    { name: names.error, value: store.error === null ? names.noError : visible(store.error), bad: store.error !== null },
  ];
}

function selfFacts({ self, uptime_s }: Health, { words, lang }: Settings): Fact[] {
  const names = words.health;
  const cpuShare = uptime_s > 0 ? (100 * self.cpu_s) / uptime_s : 0;
  return [
    { name: names.cpu, value: `${fixed(self.cpu_s, 1, lang)} s` },
    { name: names.cpuShare, value: `${percent(cpuShare, lang)} %` },
    { name: <Term term="resident">{names.resident}</Term>, value: size(self.resident_bytes, lang) },
  ];
}

function hostFacts(host: Host, { words, lang }: Settings): Fact[] {
  const names = words.health;
  const { memory, swap, pressure } = host;
  const swapUsed = swap.total_bytes - swap.free_bytes;
  const facts: Fact[] = [
    { name: words.strip.host, value: visible(host.hostname) },
    { name: names.kernel, value: visible(host.kernel) },
    { name: names.cpus, value: count(host.cpus, lang) },
    { name: names.pageSize, value: bytes(host.page_size, lang) },
    { name: names.memory, value: size(memory.total_bytes, lang) },
    { name: names.available, value: size(memory.available_bytes, lang) },
    {
      name: names.swap,
      value: swap.total_bytes === 0 ? names.noSwap : names.swapOf(bytes(swapUsed, lang), bytes(swap.total_bytes, lang)),
    },
  ];
  if (pressure === null) return [...facts, { name: <Term term="pressure">{words.strip.pressure}</Term>, value: words.strip.noPressure }];
  return [
    ...facts,
    { name: <Term term="pressure">{names.pressureSome}</Term>, value: `${fixed(pressure.some_avg10, 1, lang)} %`, bad: pressure.some_avg10 >= 10 },
    { name: names.pressureFull, value: `${fixed(pressure.full_avg10, 1, lang)} %`, bad: pressure.full_avg10 >= 10 },
  ];
}

function size(value: number, lang: Settings["lang"]): ReactNode {
  return <span title={exactBytes(value, lang)}>{bytes(value, lang)}</span>;
}
