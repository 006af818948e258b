/** The cells of the process table, one for each column. */
import type { ReactNode } from "react";
import type { Term } from "../i18n";
import { clock, count, percent } from "../lib/format";
import { placeOf, type Column } from "../lib/processes";
import type { Process } from "../model/wire";
import type { Settings } from "../ui/settings";
import { Bytes, ProgramName, Strange } from "../ui/Text";

/** What a cell is drawn with, besides its process. */
export interface CellContext {
  settings: Settings;
  totalMemory: number;
  /** False where the source shows no requests. */
  seesRequests: boolean;
}

export interface ColumnView {
  term?: Term;
  isNumber: boolean;
  /** Comes from requests, so that there is nothing to show without them. */
  fromRequests: boolean;
  cell: (process: Process, context: CellContext) => ReactNode;
}

/** Read from /proc, requests or none. */
const WITHOUT_REQUESTS: ReadonlySet<Column> = new Set(["virtual_bytes", "resident_bytes", "peak_resident_bytes"]);

function amount(column: Column & `${string}_bytes`, term: Term, signed = false): ColumnView {
  return {
    term,
    isNumber: true,
    fromRequests: !WITHOUT_REQUESTS.has(column),
    cell: (process) => <Bytes value={process[column]} signed={signed} />,
  };
}

export const COLUMN_VIEWS: Record<Column, ColumnView> = {
  name: { isNumber: false, fromRequests: false, cell: (process, { settings }) => <NameCell process={process} settings={settings} /> },
  pid: { isNumber: true, fromRequests: false, cell: (process) => process.pid },
  user: { isNumber: false, fromRequests: false, cell: (process) => <Strange text={process.user} limit={14} /> },
  place: { term: "place", isNumber: false, fromRequests: false, cell: placeCell },
  virtual_bytes: amount("virtual_bytes", "virtual"),
  resident_bytes: { ...amount("resident_bytes", "resident"), cell: residentCell },
  peak_resident_bytes: amount("peak_resident_bytes", "peakResident"),
  memory_percentage: {
    term: "share",
    isNumber: true,
    fromRequests: false,
    cell: (process, { settings }) => percent(process.memory_percentage, settings.lang),
  },
  faults: { term: "faults", isNumber: true, fromRequests: false, cell: faultsCell },
  requests: {
    term: "request",
    isNumber: true,
    fromRequests: true,
    cell: (process, { settings }) => count(process.requests, settings.lang),
  },
  requested_bytes: amount("requested_bytes", "requested"),
  granted_bytes: amount("granted_bytes", "granted"),
  released_bytes: amount("released_bytes", "released"),
  refused: { term: "refused", isNumber: true, fromRequests: true, cell: refusedCell },
  unexplained_bytes: amount("unexplained_bytes", "unexplained", true),
  last_request: { isNumber: true, fromRequests: true, cell: lastCell },
};

function NameCell({ process, settings }: { process: Process; settings: Settings }) {
  const { t } = settings;
  return (
    <>
      <ProgramName name={process.name} limit={22} />
      {process.end_time !== null && <span className="ended-at" title={process.end_time}>{t("processes.endedAt", { time: clock(process.end_time) })}</span>}
    </>
  );
}

function residentCell(process: Process, { totalMemory }: CellContext): ReactNode {
  const share = totalMemory > 0 ? Math.min(100, (100 * process.resident_bytes) / totalMemory) : 0;
  return (
    <>
      <span className="bar" style={{ width: `${share}%` }} aria-hidden="true" />
      <Bytes value={process.resident_bytes} />
    </>
  );
}

function placeCell(process: Process): ReactNode {
  return <Strange text={placeOf(process) ?? ""} limit={64} />;
}

function faultsCell({ minor_faults, major_faults }: Process, { settings: { t, lang } }: CellContext): ReactNode {
  const title = t("processes.faults", { minor: minor_faults, major: major_faults });
  return <span title={title}>{count(minor_faults + major_faults, lang)}</span>;
}

function refusedCell(process: Process, { settings }: CellContext): ReactNode {
  const text = count(process.refused, settings.lang);
  return process.refused > 0 ? <span className="bad">{text}</span> : text;
}

function lastCell(process: Process, { settings }: CellContext): ReactNode {
  if (process.last_request === null) return <span className="muted">{settings.t("processes.never")}</span>;
  return <time dateTime={process.last_request} title={process.last_request}>{clock(process.last_request)}</time>;
}
