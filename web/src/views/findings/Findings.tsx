/**
 * Findings in the selected time: the results of memtap's rules, each with its evidence, advice, and
 * a link to details.
 */
import { moment } from "../../lib/format";
import type { Target } from "../../lib/route";
import { visible } from "../../lib/visible";
import { useHistory } from "../../live/history";
import type { Figure, Finding, Findings as FindingList } from "../../model/api";
import { useNow } from "../../ui/media";
import { useHref } from "../../ui/router";
import { useSettings } from "../../ui/settings";
import { Waiting } from "../overview/Waiting";

/** Interval of live queries. It is long, because findings read much of the history. */
const EVERY_MS = 30_000;

export function Findings() {
  const { t, lang } = useSettings();
  const answer = useHistory<FindingList>("findings", { lang }, EVERY_MS);
  const findings = answer.data?.findings ?? [];
  return (
    <section className="card findings" data-testid="findings" data-count={answer.data === null ? "" : findings.length}>
      <header className="card-head">
        <h2>{t("overview.findings.title")}</h2>
        <span className="muted">{t("overview.findings.about")}</span>
      </header>
      {answer.data === null ? (
        <Waiting answer={answer} />
      ) : (
        <>
          {findings.length === 0 && <p className="findings-none">{t("overview.findings.none")}</p>}
          <ol className="findings-list">
            {findings.map((finding) => (
              <Line key={keyOf(finding)} finding={finding} />
            ))}
          </ol>
          {answer.data.not_looked_at.map((one) => (
            <p key={one.what} className="muted findings-rest">
              {visible(one.sentence)}
            </p>
          ))}
        </>
      )}
    </section>
  );
}

function keyOf({ rule, host, process }: Finding): string {
  return `${rule} ${host} ${process?.pid} ${process?.start_time}`;
}

function Line({ finding }: { finding: Finding }) {
  const { t } = useSettings();
  const href = useHref();
  return (
    <li className={`finding finding-${finding.severity}`} data-testid="finding" data-rule={finding.rule}>
      <details>
        <summary>
          <span className="finding-mark">{t(`overview.findings.severities.${finding.severity}`)}</span>
          <span>{visible(finding.sentence)}</span>
        </summary>
        <div className="finding-body">
          <dl className="finding-figures">
            {finding.evidence.map((figure) => (
              <div key={figure.label}>
                <dt>{visible(figure.label)}</dt>
                <dd>
                  <FigureText figure={figure} />
                </dd>
              </div>
            ))}
          </dl>
          <p>{visible(finding.advice)}</p>
          <a href={href(targetOf(finding))}>{t("overview.findings.look")}</a>
        </div>
      </details>
    </li>
  );
}

/** Shows times in the user's time zone, and other values as memtap formatted them. */
function FigureText({ figure }: { figure: Figure }) {
  const now = useNow(60_000);
  return figure.unit === "time" ? moment(String(figure.value), now) : visible(figure.text);
}

function targetOf({ link, process }: Finding): Target {
  const time = { kind: "range", from: Date.parse(link.from), to: Date.parse(link.to) } as const;
  if (link.view === "process" && process !== null) {
    return { view: "processes", process: `${process.pid}@${process.start_time}`, time };
  }
  if (link.view === "requests") {
    const query = { name: String(process?.pid ?? ""), call: link.call ?? "", refused: link.refused === true ? "true" : "" };
    return { view: "requests", query, time };
  }
  return { view: "overview", time };
}
