/**
 * The panel of one process, live or past: identity, memory over time, account, mappings, limits,
 * requests, and refused requests.
 */
import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { killOf } from "../lib/oom";
import type { RequestTest } from "../lib/requests";
import { ALL_HOSTS } from "../lib/route";
import { visible, visibleName } from "../lib/visible";
import { useHistory } from "../live/history";
import type { Lives } from "../model/history";
import { keyParts, type ProcessKey } from "../model/key";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";
import { Hint } from "../ui/Hint";
import { useIsLive, useRoute } from "../ui/router";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { CopyButton, ProgramName } from "../ui/Text";
import { Books } from "./Books";
import { CallTable } from "./CallTable";
import { Identity } from "./Identity";
import { Memory } from "./Memory";
import { Limits } from "./process/Limits";
import { Mappings } from "./process/Mappings";
import { PastProcess } from "./process/PastProcess";
import { PastRefusals, useRefusals } from "./process/PastRefusals";
import { Sizes } from "./process/Sizes";
import { Timeline } from "./process/Timeline";
import { useFocus } from "./process/useFocus";
import { Refusals } from "./Refusals";
import { RequestStream } from "./RequestStream";

const EVERY_MS = 5_000;

interface PanelProps {
  id: ProcessKey;
  isWide: boolean;
  onWide: () => void;
  onClose: () => void;
}

export function ProcessPanel({ id, isWide, onWide, onClose }: PanelProps) {
  const { t } = useSettings();
  const isLive = useIsLive();
  const live = useLive((state) => state.processes.get(id));
  const process = isLive ? live : undefined;
  const { pid, start_time, host: named } = keyParts(id) ?? NO_PARTS;
  const own = useLive((state) => state.live?.host.hostname);
  const showsAllHosts = useRoute().host === ALL_HOSTS;
  // In the view of all hosts, a key without a host belongs to memtap's own host.
  const host = named ?? (showsAllHosts ? own : undefined);
  const lives = useHistory<Lives>(process === undefined && pid !== null ? "lives" : null, { pid, start_time, host }, EVERY_MS);
  const life = process === undefined ? lives.data?.lives[0] : undefined;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus({ preventScroll: true }), []);

  const known = process ?? life;
  return (
    <aside
      ref={panel}
      className={isWide ? "panel panel-wide" : "panel"}
      tabIndex={-1}
      aria-label={t("process.label", { name: known ? visibleName(known.name) : visible(id) })}
      data-testid="process-panel"
    >
      {known && (
        <Head name={known.name} pid={known.pid} onClose={onClose}>
          <button type="button" className="panel-widen" aria-pressed={isWide} onClick={onWide}>
            {t("process.wide")}
          </button>
        </Head>
      )}
      {process && <LiveProcess process={process} />}
      {life && lives.shown && <PastProcess life={life} shown={lives.shown} />}
      {!known && lives.data === null && lives.problem === null && pid !== null && <Say what={t("time.asking")} next="" />}
      {!known && (lives.data !== null || lives.problem !== null || pid === null) && (
        <Say what={t("process.unknown")} next={t("process.unknownHint")}>
          <button type="button" onClick={onClose}>
            {t("process.back")}
          </button>
        </Say>
      )}
    </aside>
  );
}

/** Parts of an invalid key, which may be hand-written. */
const NO_PARTS = { pid: null, start_time: null, host: undefined };

function Head({ name, pid, onClose, children }: { name: string; pid: number; onClose: () => void; children: ReactNode }) {
  const { t } = useSettings();
  return (
    <header className="panel-head whole">
      <h2>
        <ProgramName name={name} limit={32} /> <span className="muted">pid {pid}</span>
      </h2>
      <CopyButton text={location.href} label={t("frame.copyLink")} />
      {children}
      <button type="button" onClick={onClose} aria-keyshortcuts="Escape">
        {t("frame.close")}
      </button>
    </header>
  );
}

function LiveProcess({ process }: { process: Process }) {
  const { t } = useSettings();
  useFocus(process);
  const test = useMemo(() => processTest(process), [process]);
  const kill = killOf(process, useLive((state) => state.oomKills));
  const refusals = useRefusals(process);
  const isAlive = process.state === "alive";
  return (
    <>
      <Hint topic="process" />
      <div className="whole">
        <Identity process={process} />
      </div>
      <Timeline id={process} end={process.end_time} killed={kill?.timestamp ?? null} />
      <Memory process={process} />
      <Books process={process} />
      <CallTable calls={process.calls} />
      <Sizes id={process} />
      {isAlive && <Mappings id={process} />}
      {isAlive && <Limits id={process} />}
      {refusals.length > 0 ? <PastRefusals refusals={refusals} /> : <Refusals refusals={process.refusals} />}
      <section className="stream-head whole">
        <h3>{t("process.itsStream")}</h3>
        {process.lost > 0 && (
          <p className="bad" data-testid="process-lost">
            {t("process.lost", { count: process.lost })}
          </p>
        )}
      </section>
      <RequestStream test={test} filtered inPanel />
    </>
  );
}

/** Filter for the requests of a process by pid and lifetime, because the kernel reuses pids. */
function processTest({ pid, start_time, end_time }: Process): RequestTest {
  return {
    owner: (owner) =>
      owner.pid === pid && owner.timestamp >= start_time && (end_time === null || owner.timestamp <= end_time),
    request: () => true,
  };
}
