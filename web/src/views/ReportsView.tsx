/** Reports: the user chooses the time and the programs, and memtap creates the document. */
import { useMemo, useState } from "react";
import { dayClock } from "../lib/format";
import { stretch } from "../lib/time";
import { urlOf, useAskedHost, type Query } from "../live/history";
import { useLive } from "../model/store";
import { Choice } from "../ui/Choice";
import { useNow } from "../ui/media";
import { useRoute } from "../ui/router";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { Code } from "../ui/Text";

const FORMATS = ["html", "md", "json", "csv"] as const;
const COMPARISONS = ["none", "before", "day", "week"] as const;
type Comparison = (typeof COMPARISONS)[number];
const DAY_MS = 86_400_000;

export function ReportsView() {
  const { t } = useSettings();
  const hasHistory = useLive((state) => state.live?.health.store.kind !== "none");
  if (!hasHistory) return <Say what={t("reports.noHistory")} next={t("reports.noHistoryHint")} code="sudo memtap serve" />;
  return <Chooser />;
}

function Chooser() {
  const { t, lang } = useSettings();
  const { time } = useRoute();
  const host = useAskedHost();
  const [name, setName] = useState("");
  const [comparison, setComparison] = useState<Comparison>("none");
  const now = useNow(60_000);
  const shown = useMemo(() => stretch(time, now), [time, now]);
  const query = { host, name: name.trim(), lang, ...compared(comparison, shown) };
  return (
    <div className="reports">
      <section className="card">
        <header className="card-head">
          <h2>{t("reports.title")}</h2>
        </header>
        <div className="card-body">
          <p>{t("reports.about")}</p>
          <dl className="form">
            <dt>{t("reports.time")}</dt>
            <dd>
              <b>
                {dayClock(shown.from)} – {dayClock(shown.to)}
              </b>{" "}
              <span className="muted">{t("reports.timeHint")}</span>
            </dd>
            <dt>
              <label htmlFor="report-name">{t("reports.programs")}</label>
            </dt>
            <dd>
              <input
                id="report-name"
                type="search"
                data-search=""
                placeholder={t("reports.allPrograms")}
                value={name}
                onChange={(event) => setName(event.target.value)}
              />{" "}
              <span className="muted">{t("reports.programsHint")}</span>
            </dd>
            <dt>{t("reports.compare")}</dt>
            <dd>
              <Choice
                label={t("reports.compare")}
                value={comparison}
                options={COMPARISONS.map((one) => [one, t(`reports.comparisons.${one}`)])}
                onChoose={setComparison}
              />
            </dd>
          </dl>
          <Documents query={query} shown={shown} />
        </div>
      </section>
      <Terminal text={command(shown, name.trim(), comparison)} />
    </div>
  );
}

function Terminal({ text }: { text: string }) {
  const { t } = useSettings();
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t("reports.terminal")}</h2>
      </header>
      <div className="card-body">
        <p>{t("reports.terminalHint")}</p>
        <Code text={text} />
      </div>
    </section>
  );
}

function Documents({ query, shown }: { query: Query; shown: { from: number; to: number } }) {
  const { t } = useSettings();
  return (
    <ul className="documents">
      {FORMATS.map((format) => (
        <li key={format}>
          <a
            className="button"
            href={urlOf("report", { ...query, format }, shown)}
            data-testid={`report-${format}`}
            {...(format === "html" ? { target: "_blank", rel: "noreferrer" } : { download: "" })}
          >
            {t(`reports.formats.${format}`)}
          </a>
          <span className="muted">{t(`reports.formatHints.${format}`)}</span>
        </li>
      ))}
    </ul>
  );
}

/** The range to compare the report with. */
function compared(comparison: Comparison, { from, to }: { from: number; to: number }): Query {
  if (comparison === "none") return {};
  const back = { before: to - from, day: DAY_MS, week: 7 * DAY_MS }[comparison];
  return { compare_from: new Date(from - back).toISOString(), compare_to: new Date(to - back).toISOString() };
}

/** The command that creates the same report in a terminal. */
function command({ from, to }: { from: number; to: number }, name: string, comparison: Comparison): string {
  const words = ["memtap", "report", "--from", new Date(from).toISOString(), "--to", new Date(to).toISOString()];
  if (name !== "") words.push("--name", `'${name.replaceAll("'", String.raw`'\''`)}'`);
  const against = compared(comparison, { from, to });
  if (comparison !== "none") words.push("--compare", `${against["compare_from"]}..${against["compare_to"]}`);
  return [...words, "-o", "report.html"].join(" ");
}
