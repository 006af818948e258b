/** The cells of the process table, one for each column. */
import type { ReactNode } from "react";
import type { Term } from "../../i18n";
import type { Grouping } from "../../lib/arrange";
import { placeOf, type Column } from "../../lib/columns";
import { bytes, clock, count, exactBytes, moment, percent, rate, signedBytes } from "../../lib/format";
import type { TableRow } from "../../lib/rows";
import { visible } from "../../lib/visible";
import { sourceNow } from "../../live/clock";
import type { Settings } from "../../ui/settings";
import { Bytes, ProgramName, Strange } from "../../ui/Text";
import { Spark } from "./Spark";

/** Settings and state of the table that cells need in addition to their row. */
export interface CellContext {
  settings: Settings;
  grouping: Grouping;
  hostname: string;
  isLive: boolean;
  /** False if the source does not report requests. */
  seesRequests: boolean;
  /** Time when the table was paused, in ms. */
  pausedAt: number | null;
}

export interface ColumnView {
  /** Minimum width in pixels. */
  width: number;
  /** Share of the remaining width. */
  grow?: number;
  term?: Term;
  isNumber: boolean;
  /** Changes are highlighted. False for values that change at every tick. */
  tints: boolean;
  /** Null if the value is unknown. */
  cell: (row: TableRow, context: CellContext) => ReactNode;
}

type Kind = Omit<ColumnView, "cell" | "width">;
const TEXT: Kind = { isNumber: false, tints: true };
const NUMBER: Kind = { isNumber: true, tints: true };

type Amount = { [Key in keyof TableRow]: TableRow[Key] extends number | null ? Key : never }[keyof TableRow];

function amount(field: Amount, term: Term, width: number, signed = false): ColumnView {
  return { ...NUMBER, term, width, cell: (row) => bytesOf(row[field], signed) };
}

function counted(field: Amount, term: Term, width: number): ColumnView {
  return { ...NUMBER, term, width, cell: (row, { settings }) => numberOf(row[field], settings) };
}

export const COLUMN_VIEWS: Record<Column, ColumnView> = {
  name: { ...TEXT, width: 210, grow: 1.4, cell: (row) => <ProgramName name={row.name} limit={22} /> },
  pid: { ...NUMBER, width: 62, cell: (row) => row.pid ?? "" },
  user: { ...TEXT, width: 76, grow: 0.4, cell: (row) => <Strange text={row.user} limit={14} /> },
  host: { ...TEXT, width: 96, grow: 0.4, cell: (row, { hostname }) => <Strange text={row.host ?? hostname} limit={24} /> },
  place: { ...TEXT, term: "place", width: 140, grow: 0.8, cell: (row) => <Strange text={placeOf(row) ?? ""} limit={64} /> },
  trend: { ...NUMBER, tints: false, term: "trend", width: 92, cell: trendCell },
  virtual_bytes: amount("virtual_bytes", "virtual", 84),
  resident_bytes: { ...NUMBER, term: "resident", width: 96, cell: residentCell },
  peak_resident_bytes: { ...NUMBER, term: "peakResident", width: 84, cell: (row, context) => peakCell(row, row.peak_resident_bytes, context) },
  memory_percentage: { ...NUMBER, tints: false, term: "share", width: 56, cell: shareCell },
  anonymous_bytes: amount("anonymous_bytes", "anonymous", 92),
  file_bytes: amount("file_bytes", "file", 84),
  shmem_bytes: amount("shmem_bytes", "shmem", 92),
  swap_bytes: amount("swap_bytes", "swapped", 84),
  peak_virtual_bytes: { ...NUMBER, term: "peakVirtual", width: 104, cell: (row, context) => peakCell(row, row.peak_virtual_bytes, context) },
  requested_per_second: { ...NUMBER, tints: false, term: "requestedPerSecond", width: 100, cell: requestedRateCell },
  requests_per_second: { ...NUMBER, tints: false, term: "requestsPerSecond", width: 100, cell: requestsRateCell },
  requested_bytes: amount("requested_bytes", "requested", 90),
  requests: counted("requests", "request", 90),
  refused: { ...NUMBER, term: "refused", width: 80, cell: refusedCell },
  faults: { ...NUMBER, term: "faults", width: 88, cell: faultsCell },
  granted_bytes: amount("granted_bytes", "granted", 88),
  released_bytes: amount("released_bytes", "released", 90),
  unexplained_bytes: amount("unexplained_bytes", "unexplained", 104, true),
  threads: { ...NUMBER, width: 70, cell: (row, { settings }) => numberOf(row.threads, settings) },
  start_time: { ...NUMBER, width: 150, cell: startCell },
  last_request: { ...NUMBER, width: 112, cell: lastCell },
  command: { ...TEXT, width: 170, grow: 3, cell: commandCell },
};

/** Reason why a cell is empty. */
export function reasonOf(row: TableRow, column: Column, { settings: { t }, isLive, seesRequests }: CellContext): string {
  if (column === "trend" && row.end_time !== null) return t("processes.notAlive");
  if (column === "memory_percentage") return t("processes.memoryUnknown");
  if (!isLive) return t("processes.notKept");
  return seesRequests ? t("processes.notYet") : t("processes.notSeen");
}

function bytesOf(value: number | null, signed: boolean): ReactNode {
  return value === null ? null : <Bytes value={value} signed={signed} />;
}

function numberOf(value: number | null, { lang }: Settings): ReactNode {
  return value === null ? null : count(value, lang);
}

function trendCell(row: TableRow, { settings: { t, lang }, isLive, pausedAt }: CellContext): ReactNode {
  if (row.growth_bytes === null) return null;
  const growth = signedBytes(row.growth_bytes, lang);
  const title = t(isLive ? "processes.grewLately" : "processes.grewThen", { growth });
  if (row.trace === null) return <span title={title}>{row.growth_bytes === 0 ? "" : growth}</span>;
  return (
    <span className="trend" title={title}>
      <Spark trace={row.trace} startTime={row.start_time} pausedAt={pausedAt} />
    </span>
  );
}

function residentCell(row: TableRow, { settings: { t, lang } }: CellContext): ReactNode {
  const exact = exactBytes(row.resident_bytes, lang);
  const anonymous = bytes(row.anonymous_bytes, lang);
  return (
    <>
      <span className="bar" style={{ width: `${Math.min(100, row.memory_percentage ?? 0)}%` }} aria-hidden="true" />
      <span title={row.pid === null ? t("processes.sumOfResident", { exact, anonymous }) : exact}>{bytes(row.resident_bytes, lang)}</span>
    </>
  );
}

function peakCell(row: TableRow, value: number, { settings: { t, lang } }: CellContext): ReactNode {
  const exact = exactBytes(value, lang);
  return <span title={row.pid === null ? t("processes.largestOfGroup", { exact }) : exact}>{bytes(value, lang)}</span>;
}

function shareCell({ memory_percentage: share }: TableRow, { settings: { lang } }: CellContext): ReactNode {
  return share === null ? null : percent(share, lang);
}

function requestedRateCell({ requested_per_second: value }: TableRow): ReactNode {
  if (value === null) return null;
  return value === 0 ? <Zero /> : <Bytes value={Math.round(value)} />;
}

function requestsRateCell({ requests_per_second: value }: TableRow, { settings: { lang } }: CellContext): ReactNode {
  if (value === null) return null;
  return value === 0 ? <Zero /> : rate(value, lang);
}

/** A muted zero, so that other values stand out. */
function Zero() {
  return <span className="zero">0</span>;
}

function faultsCell({ minor_faults, major_faults }: TableRow, { settings: { t, lang } }: CellContext): ReactNode {
  const title = t("processes.faults", { minor: minor_faults, major: major_faults });
  return <span title={title}>{count(minor_faults + major_faults, lang)}</span>;
}

function refusedCell({ refused }: TableRow, { settings: { lang } }: CellContext): ReactNode {
  if (refused === null) return null;
  return refused > 0 ? <span className="bad">{count(refused, lang)}</span> : <Zero />;
}

/** Includes the date if the process did not start today. */
function startCell({ start_time }: TableRow): ReactNode {
  return <time dateTime={start_time} title={start_time}>{moment(start_time, sourceNow())}</time>;
}

function lastCell(row: TableRow, { settings: { t }, isLive, seesRequests }: CellContext): ReactNode {
  if (row.last_request !== null) return <Clock time={row.last_request} />;
  return isLive && seesRequests ? <span className="muted">{t("processes.never")}</span> : null;
}

function Clock({ time }: { time: string }) {
  return <time dateTime={time} title={time}>{clock(time)}</time>;
}

function commandCell({ command }: TableRow): ReactNode {
  const text = visible(command);
  return <bdi className="command-line" title={text}>{text}</bdi>;
}
