/** The runs of memtap in a past time, and the times between them. */
import { count, duration, moment } from "../../lib/format";
import type { Watch } from "../../lib/runs";
import { visible } from "../../lib/visible";
import { useNow } from "../../ui/media";
import { Say } from "../../ui/Say";
import { useSettings } from "../../ui/settings";

export function RunList({ watched, more }: { watched: readonly Watch[]; more: boolean }) {
  const { t } = useSettings();
  return (
    <section className="card runs" data-testid="runs">
      <h2>{t("health.past.runs")}</h2>
      {watched.length === 0 ? <Say what={t("health.past.nobody")} next={t("health.past.nobodyHint")} /> : <Table watched={watched} />}
      {more && <p className="muted">{t("health.past.more")}</p>}
    </section>
  );
}

function Table({ watched }: { watched: readonly Watch[] }) {
  const { t } = useSettings();
  return (
    // The table may be wider than a narrow screen, so the keyboard must be able to scroll it.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="runs-scroll" role="region" aria-label={t("health.past.runs")} tabIndex={0}>
      <table className="calls">
        <thead>
          <tr>
            <th>{t("health.past.began")}</th>
            <th>{t("health.past.last")}</th>
            <th className="number">{t("health.past.span")}</th>
            <th>{t("strip.host")}</th>
            <th>{t("health.kernel")}</th>
            <th className="number">{t("health.made")}</th>
            <th className="number">{t("health.refused")}</th>
            <th className="number">{t("health.lost")}</th>
          </tr>
        </thead>
        <tbody>
          {watched.map((watch) => (
            <Line key={`${watch.kind} ${watch.from} ${watch.kind === "run" ? watch.run.hostname : watch.hostname}`} watch={watch} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ watch }: { watch: Watch }) {
  const { t, lang } = useSettings();
  const span = duration(Math.round((watch.to - watch.from) / 1000));
  if (watch.kind === "absence") {
    return (
      <tr className="absence" data-testid="absence">
        <td><Moment at={watch.from} /></td>
        <td><Moment at={watch.to} /></td>
        <td className="number">{span}</td>
        <td>{visible(watch.hostname)}</td>
        <td colSpan={4}>{t("health.past.absence")}</td>
      </tr>
    );
  }
  const { run, isCurrent } = watch;
  return (
    <tr data-testid="run">
      <td><Moment at={watch.from} /></td>
      <td>{isCurrent ? t("health.past.goesOn") : <Moment at={watch.to} />}</td>
      <td className="number">{span}</td>
      <td>{visible(run.hostname)}</td>
      <td>{visible(run.kernel)}</td>
      <td className="number">{count(run.requests, lang)}</td>
      <td className="number">{count(run.refused, lang)}</td>
      <td className={run.lost > 0 ? "number bad" : "number"}>{count(run.lost, lang)}</td>
    </tr>
  );
}

function Moment({ at }: { at: number }) {
  const now = useNow(60_000);
  const time = new Date(at).toISOString();
  return <time dateTime={time}>{moment(time, now)}</time>;
}
