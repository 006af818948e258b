/**
 * The kernel's OOM kills: the killed process, the process whose request exceeded the memory, and
 * the largest processes in the seconds before.
 */
import type { ReactNode } from "react";
import { bytes, clock, moment } from "../lib/format";
import { growth } from "../lib/oom";
import { visible } from "../lib/visible";
import type { OomKill } from "../model/wire";
import { useNow } from "../ui/media";
import { useHref } from "../ui/router";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes, ProgramName, Strange } from "../ui/Text";

interface OomKillsProps {
  /** The earliest first. */
  kills: readonly OomKill[];
  /** Text if there is none. */
  none: string;
  /** Shown beside the title. */
  children?: ReactNode;
}

export function OomKills({ kills, none, children }: OomKillsProps) {
  const { t } = useSettings();
  const newest = kills.toReversed();
  return (
    <section className="card oom" data-testid="oom-section">
      <header className="oom-title">
        <h2>
          <Term term="oomKill">{t("health.oom")}</Term>
        </h2>
        {children}
      </header>
      {newest.length === 0 ? (
        <p>{none}</p>
      ) : (
        <div>
          <div className="oom-row oom-head" aria-hidden="true">
            <span>{t("health.oomTime")}</span>
            <span className="oom-program">{t("health.oomVictim")}</span>
            <span className="number">{t("processes.columns.resident_bytes")}</span>
            <span className="oom-program">{t("health.oomAsker")}</span>
          </div>
          {newest.map((kill) => (
            <Kill key={`${kill.timestamp} ${kill.pid}`} kill={kill} />
          ))}
        </div>
      )}
    </section>
  );
}

function Kill({ kill }: { kill: OomKill }) {
  const { t } = useSettings();
  const now = useNow(60_000);
  const isItself = kill.asker_pid === kill.pid;
  return (
    <details className="oom-kill" data-testid="oom-kill" data-pid={kill.pid}>
      <summary className="oom-row">
        <time dateTime={kill.timestamp} title={kill.timestamp}>{moment(kill.timestamp, now)}</time>
        <ProgramAndPid name={kill.process_name} pid={kill.pid} />
        <b className="number bad"><Bytes value={kill.resident_bytes} /></b>
        <span>
          <span className="oom-asker muted">{t("health.oomAsker")}: </span>
          {isItself ? <span className="oom-itself">{t("health.oomItself")}</span> : <ProgramAndPid name={kill.asker_name} pid={kill.asker_pid} />}
        </span>
      </summary>
      <Details kill={kill} />
    </details>
  );
}

function ProgramAndPid({ name, pid }: { name: string; pid: number }) {
  return (
    <span className="oom-who">
      <ProgramName name={name} limit={22} /> <span className="muted">{pid}</span>
    </span>
  );
}

function Details({ kill }: { kill: OomKill }) {
  const href = useHref();
  const { t, lang } = useSettings();
  const query = { q: String(kill.pid), ended: "true" };
  return (
    <div className="oom-details">
      <p className="identity">
        {kill.container !== null && (
          <span>
            {t("process.container")} <b><Strange text={kill.container} /></b>
          </span>
        )}
        <span>
          {t("health.oomVirtual")} <b>{bytes(kill.virtual_bytes, lang)}</b>
        </span>
        <span>
          {t("health.oomSwap")} <b>{bytes(kill.swap_bytes, lang)}</b>
        </span>
        <a href={href({ view: "processes", query })}>{t("health.oomFind")}</a>
      </p>
      {kill.command !== "" && <pre className="command">{visible(kill.command)}</pre>}
      <Before kill={kill} />
    </div>
  );
}

function Before({ kill }: { kill: OomKill }) {
  const { t } = useSettings();
  if (kill.before.length === 0) return <p className="muted">{t("health.oomNoBefore")}</p>;
  return (
    <>
      <h3>
        {t("health.oomBefore")} <span className="muted">{t("health.oomBeforeHint")}</span>
      </h3>
      <div className="oom-scroll">
        <table className="calls oom-before">
          <thead>
            <tr>
              <th>{t("requests.process")}</th>
              {kill.before.map((one) => (
                <th key={one.timestamp} className="number">{clock(one.timestamp)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {growth(kill.before).map((row) => (
              <tr key={row.pid} className={row.pid === kill.pid ? "bad" : ""}>
                <td><ProgramAndPid name={row.name} pid={row.pid} /></td>
                {row.sizes.map((size, i) => (
                  // The columns of a kill never change.
                  // oxlint-disable-next-line react/no-array-index-key
                  <td key={i} className="number">{size === null ? "–" : <Bytes value={size} />}</td>
                ))}
              </tr>
            ))}
            <tr className="oom-available">
              <td>{t("health.available")}</td>
              {kill.before.map((one) => (
                <td key={one.timestamp} className="number"><Bytes value={one.available_bytes} /></td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
    </>
  );
}
