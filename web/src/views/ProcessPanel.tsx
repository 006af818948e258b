/** One process: who it is, its memory, its books, its requests by call, what was refused, and its stream. */
import { useEffect, useMemo, useRef } from "react";
import { count } from "../lib/format";
import type { RequestTest } from "../lib/requests";
import { visible, visibleName } from "../lib/visible";
import type { ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";
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
  const { words } = useSettings();
  const process = useLive((state) => state.processes.get(id));
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus({ preventScroll: true }), []);

  return (
    <aside
      ref={panel}
      className="panel"
      tabIndex={-1}
      aria-label={words.process.label(process ? visibleName(process.name) : visible(id))}
      data-testid="process-panel"
    >
      {process ? (
        <Details process={process} onClose={onClose} />
      ) : (
        <Say what={words.process.unknown} next={words.process.unknownHint}>
          <button type="button" onClick={onClose}>
            {words.process.back}
          </button>
        </Say>
      )}
    </aside>
  );
}

function Details({ process, onClose }: { process: Process; onClose: () => void }) {
  const { words, lang } = useSettings();
  const test = useMemo(() => ofProcess(process), [process]);
  return (
    <>
      <header className="panel-head">
        <h2>
          <ProgramName name={process.name} limit={32} /> <span className="muted">pid {process.pid}</span>
        </h2>
        <CopyButton text={location.href} label={words.copyLink} />
        <button type="button" onClick={onClose} aria-keyshortcuts="Escape">
          {words.close}
        </button>
      </header>
      <Identity process={process} />
      <Memory process={process} />
      <Books process={process} />
      <CallTable calls={process.calls} />
      <Refusals refusals={process.refusals} />
      <section className="stream-head">
        <h3>{words.process.itsStream}</h3>
        {process.lost > 0 && (
          <p className="bad" data-testid="process-lost">
            {words.process.lost(count(process.lost, lang))}
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
