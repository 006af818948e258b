/** One process: who it is, its memory, its books, its requests by call, what was refused, and its stream. */
import { useEffect, useMemo, useRef } from "react";
import type { RequestTest } from "../lib/requests";
import { visible, visibleName } from "../lib/visible";
import type { ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";
import { Hint } from "../ui/Hint";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { CopyButton, ProgramName } from "../ui/Text";
import { Books } from "./Books";
import { CallTable } from "./CallTable";
import { Identity } from "./Identity";
import { Memory } from "./Memory";
import { Refusals } from "./Refusals";
import { RequestStream } from "./RequestStream";

export function ProcessPanel({ id, onClose }: { id: ProcessKey; onClose: () => void }) {
  const { t } = useSettings();
  const process = useLive((state) => state.processes.get(id));
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus({ preventScroll: true }), []);

  return (
    <aside
      ref={panel}
      className="panel"
      tabIndex={-1}
      aria-label={t("process.label", { name: process ? visibleName(process.name) : visible(id) })}
      data-testid="process-panel"
    >
      {process ? (
        <Details process={process} onClose={onClose} />
      ) : (
        <Say what={t("process.unknown")} next={t("process.unknownHint")}>
          <button type="button" onClick={onClose}>
            {t("process.back")}
          </button>
        </Say>
      )}
    </aside>
  );
}

function Details({ process, onClose }: { process: Process; onClose: () => void }) {
  const { t } = useSettings();
  const test = useMemo(() => ofProcess(process), [process]);
  return (
    <>
      <header className="panel-head">
        <h2>
          <ProgramName name={process.name} limit={32} /> <span className="muted">pid {process.pid}</span>
        </h2>
        <CopyButton text={location.href} label={t("frame.copyLink")} />
        <button type="button" onClick={onClose} aria-keyshortcuts="Escape">
          {t("frame.close")}
        </button>
      </header>
      <Hint of="process" />
      <Identity process={process} />
      <Memory process={process} />
      <Books process={process} />
      <CallTable calls={process.calls} />
      <Refusals refusals={process.refusals} />
      <section className="stream-head">
        <h3>{t("process.itsStream")}</h3>
        {process.lost > 0 && (
          <p className="bad" data-testid="process-lost">
            {t("process.lost", { count: process.lost })}
          </p>
        )}
      </section>
      <RequestStream test={test} filtered ofProcess />
    </>
  );
}

/** Its requests, told by pid and by its time of life, as pids are used again. */
function ofProcess({ pid, start_time, end_time }: Process): RequestTest {
  return {
    owner: (owner) =>
      owner.pid === pid && owner.timestamp >= start_time && (end_time === null || owner.timestamp <= end_time),
    request: () => true,
  };
}
