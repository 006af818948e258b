/**
 * Health of memtap in a past time, according to the history: when it was running, and the requests
 * that it recorded and lost.
 */
import { count, duration } from "../../lib/format";
import { sums } from "../../lib/machine";
import { unwatched, watches } from "../../lib/runs";
import { useHistory } from "../../live/history";
import type { Machine, OomKillList, Runs } from "../../model/history";
import { useLive } from "../../model/store";
import { useHref } from "../../ui/router";
import { Say } from "../../ui/Say";
import { useSettings, type Settings } from "../../ui/settings";
import { Term } from "../../ui/Term";
import { OomKills } from "../OomKills";
import { Facts, type Fact } from "./Facts";
import { RunList } from "./RunList";

const EVERY_MS = 5_000;

export function PastHealth() {
  const { t } = useSettings();
  const hasHistory = useLive((state) => state.live?.health.store.kind !== "none");
  const runs = useHistory<Runs>(hasHistory ? "runs" : null, {}, EVERY_MS);
  const machine = useHistory<Machine>(hasHistory ? "machine" : null, {}, EVERY_MS);
  const kills = useHistory<OomKillList>(hasHistory ? "oom" : null, {}, EVERY_MS);
  if (!hasHistory) return <Say what={t("health.past.noHistory")} next={t("health.past.noHistoryHint")} />;
  const problem = runs.problem ?? machine.problem ?? kills.problem;
  if (problem !== null) return <Say what={t("time.failed")} next={problem} />;
  if (runs.data === null || runs.shown === null || machine.data === null || kills.data === null) return <Say what={t("time.asking")} next="" />;

  const watched = watches(runs.data.runs, runs.shown);
  const isOld = runs.isOld || machine.isOld || kills.isOld;
  return (
    <div className={`health${isOld ? " list-old" : ""}`} aria-busy={isOld}>
      <RunList watched={watched} more={runs.data.more} />
      <OomKills kills={kills.data.oom_kills.toReversed()} none={t("health.past.noOom")} />
      {watched.length > 0 && <Seen machine={machine.data} watchedMs={runs.shown.to - runs.shown.from - unwatched(watched)} />}
      <NotKept />
    </div>
  );
}

function Seen({ machine, watchedMs }: { machine: Machine; watchedMs: number }) {
  const settings = useSettings();
  return <Facts title={settings.t("health.past.seen")} facts={seenFacts(machine, watchedMs, settings)} />;
}

function seenFacts(machine: Machine, watchedMs: number, { t, lang }: Settings): Fact[] {
  const { requests, refused, lost } = sums(machine);
  return [
    { name: t("health.past.watched"), value: duration(Math.round(watchedMs / 1000)) },
    { name: <Term term="made">{t("health.made")}</Term>, value: count(requests, lang) },
    { name: <Term term="refused">{t("health.refused")}</Term>, value: count(refused, lang), bad: refused > 0 },
    { name: <Term term="lost">{t("health.lost")}</Term>, value: count(lost, lang), bad: lost > 0 },
  ];
}

function NotKept() {
  const { t } = useSettings();
  const href = useHref();
  return (
    <section className="card">
      <h2>{t("health.past.notKept")}</h2>
      <p>{t("health.past.notKeptWhat")}</p>
      <p>{t("health.past.itself")}</p>
      <a href={href({ view: "processes", query: { q: "memtap" } })}>{t("health.past.itselfLink")}</a>
    </section>
  );
}
