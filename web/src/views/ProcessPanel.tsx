/** One process: who it is, its books, its requests by call, and its stream. */
import { useEffect, useMemo, useRef } from "react";
import { moment } from "../lib/format";
import { parentOf } from "../lib/processes";
import { routeHash } from "../lib/route";
import { cutMiddle, visible, visibleName } from "../lib/visible";
import { processKey, type ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import type { MemoryRequest, Process } from "../model/wire";
import { useNow } from "../ui/media";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { CopyButton, ProgramName, Strange } from "../ui/Text";
import { Books } from "./Books";
import { CallTable } from "./CallTable";
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
  const { words } = useSettings();
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
      <Books process={process} />
      <CallTable calls={process.calls} />
      <h3>{words.process.itsStream}</h3>
      <RequestStream test={test} filtered ofProcess />
    </>
  );
}

/** Its requests, told by pid and by its time of life, as pids are used again. */
function ofProcess({ pid, start_time, end_time }: Process): (request: MemoryRequest) => boolean {
  return (request) =>
    request.pid === pid && request.timestamp >= start_time && (end_time === null || request.timestamp <= end_time);
}

function Identity({ process }: { process: Process }) {
  const { words } = useSettings();
  const now = useNow(60_000);
  const isAlive = process.state === "alive" || process.end_time === null;
  const ended = `${words.process.ended} ${moment(process.end_time ?? "", now)}`;
  return (
    <>
      <p className="identity">
        <span className={isAlive ? "" : "muted"}>{isAlive ? words.process.alive : ended}</span>
        <span>
          {words.process.user} <b><Strange text={process.user} /></b>
        </span>
        <span>
          {words.process.started} <b title={process.start_time}>{moment(process.start_time, now)}</b>
        </span>
        {process.container !== null && (
          <span>
            {words.process.container} <b><Strange text={process.container} limit={24} /></b>
          </span>
        )}
        <Parent process={process} />
      </p>
      <pre className="command" aria-label={words.process.command}>
        {process.command === "" ? <span className="muted">{words.process.noCommand}</span> : visible(process.command)}
      </pre>
    </>
  );
}

function Parent({ process }: { process: Process }) {
  const { words } = useSettings();
  const processes = useLive((state) => state.processes);
  const parent = useMemo(() => parentOf(processes.values(), process), [processes, process]);
  if (process.parent_pid === 0) return null;
  return (
    <span>
      {words.process.parent}{" "}
      {parent === null ? (
        <b>
          {process.parent_pid} ({words.process.unknownParent})
        </b>
      ) : (
        <a href={routeHash({ view: "processes", process: processKey(parent) })}>
          {cutMiddle(visibleName(parent.name), 20)} {parent.pid}
        </a>
      )}
    </span>
  );
}
