/** Identity of a process: its state, user, start, location and parent. */
import { useMemo, type ReactNode } from "react";
import type { Term as TermName } from "../i18n";
import { moment } from "../lib/format";
import { killOf } from "../lib/oom";
import { parentOf } from "../lib/processes";
import { cutMiddle, visible, visibleName } from "../lib/visible";
import { processKey } from "../model/state";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";
import { useNow } from "../ui/media";
import { useHref } from "../ui/router";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Strange } from "../ui/Text";

export function Identity({ process }: { process: Process }) {
  const { t } = useSettings();
  const now = useNow(60_000);
  return (
    <>
      <p className="identity">
        <Life process={process} now={now} />
        <span>
          {t("process.user")} <b><Strange text={process.user} /></b>
        </span>
        <span>
          {t("process.started")} <b title={process.start_time}>{moment(process.start_time, now)}</b>
        </span>
        {process.state === "alive" && <b>{t("process.threads", { count: process.threads })}</b>}
        <Places process={process} />
        {process.inner_pid !== null && <Item term="innerPid" word={t("process.innerPid")}>{process.inner_pid}</Item>}
        <Parent process={process} />
      </p>
      <pre className="command" aria-label={t("process.command")}>
        {process.command === "" ? <span className="muted">{t("process.noCommand")}</span> : visible(process.command)}
      </pre>
    </>
  );
}

/** State of the process: alive, ended, or killed by the kernel. */
function Life({ process, now }: { process: Process; now: number }) {
  const href = useHref();
  const { t } = useSettings();
  const kill = killOf(process, useLive((state) => state.oomKills));
  const isAlive = process.state === "alive" || process.end_time === null;
  return (
    <>
      <span>{isAlive ? t("process.alive") : `${t("process.ended")} ${moment(process.end_time ?? "", now)}`}</span>
      {kill && (
        <a className="bad" href={href({ view: "health" })}>
          {t("process.killed")}
        </a>
      )}
    </>
  );
}

/** The container, pod, unit and session of a process, or its cgroup if it has none of these. */
function Places({ process }: { process: Process }) {
  const { t } = useSettings();
  const { container, pod, unit, session, cgroup } = process;
  const places: [TermName, string, string | null][] = [
    ["container", t("process.container"), container],
    ["pod", t("process.pod"), pod],
    ["unit", t("process.unit"), unit],
    ["session", t("process.session"), session],
  ];
  const known = places.filter(([, , place]) => place !== null);
  const shown = known.length > 0 || cgroup === "" || cgroup === "/" ? known : [["cgroup", t("process.cgroup"), cgroup] as const];
  return shown.map(([term, word, place]) => (
    <Item key={term} term={term} word={word}>
      <Strange text={place ?? ""} limit={36} />
    </Item>
  ));
}

function Item({ term, word, children }: { term: TermName; word: string; children: ReactNode }) {
  return (
    <span>
      <Term term={term}>{word}</Term> <b>{children}</b>
    </span>
  );
}

function Parent({ process }: { process: Process }) {
  const href = useHref();
  const { t } = useSettings();
  const processes = useLive((state) => state.processes);
  const parent = useMemo(() => parentOf(processes.values(), process), [processes, process]);
  if (process.parent_pid === 0) return null;
  return (
    <span>
      {t("process.parent")}{" "}
      {parent === null ? (
        <b>
          {process.parent_pid} ({t("process.unknownParent")})
        </b>
      ) : (
        <a href={href({ view: "processes", process: processKey(parent) })}>
          {cutMiddle(visibleName(parent.name), 20)} {parent.pid}
        </a>
      )}
    </span>
  );
}
