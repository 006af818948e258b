/** State of the page, and how server messages change it. Pure: no clock, no socket. */
import { assignColours, type Colours } from "./colours";
import { focusOn, refocused, withFocused, withPast, withTick as focusAfterTick, type Focus } from "./focus";
import { processKey, type ProcessKey } from "./key";
import { NO_PACES, pacesFrom, withPaces, type Paces } from "./pace";
import { withTick, type RatePoint } from "./rates";
import { appended, emptyStream, restarted, type Stream } from "./stream";
import type { FocusedRequests, Health, Host, MemoryRequest, OomKill, Process, ProcessId, Share, Snapshot, Tick } from "./wire";

export { processKey, type ProcessKey } from "./key";

/** Maximum number of processes. The processes that ended first are dropped first. */
export const PROCESS_LIMIT = 50_000;
/** The server has the same limit. */
export const KILL_LIMIT = 100;

export type Processes = ReadonlyMap<ProcessKey, Process>;

export interface LiveData {
  host: Host;
  health: Health;
  share: Share;
  time: string;
}

export interface LiveState {
  connected: boolean;
  /** Error of the last attempt to connect, in the transport's words. */
  problem: string | null;
  /** Time of the last message by the browser's clock; null before the first. */
  heardAt: number | null;
  live: LiveData | null;
  processes: Processes;
  paces: Paces;
  stream: Stream;
  /** The focused process. */
  focus: Focus | null;
  /** The earliest first. */
  oomKills: readonly OomKill[];
  rates: readonly RatePoint[];
  refusedPerSecond: number;
  /** Programs in the charts of the history. */
  charted: readonly string[];
  colours: Colours;
}

export type LiveEvent =
  | { type: "connected" }
  | { type: "disconnected"; problem: string | null }
  | { type: "snapshot"; at: number; snapshot: Snapshot }
  | { type: "tick"; at: number; tick: Tick }
  /** Focuses on a process, or on none. */
  | { type: "focus"; id: ProcessId | null }
  /** The server already has as many focused processes as it allows. */
  | { type: "focus_refused" }
  | { type: "focused"; focused: FocusedRequests }
  /** Earlier requests of the focused process, the newest first. */
  | { type: "focus_past"; key: ProcessKey; requests: readonly MemoryRequest[] }
  /** Programs in the charts of the history, the most important first. */
  | { type: "charted"; programs: readonly string[] };

export const initialState: LiveState = {
  connected: false,
  problem: null,
  heardAt: null,
  live: null,
  processes: new Map(),
  paces: NO_PACES,
  stream: emptyStream,
  focus: null,
  oomKills: [],
  rates: [],
  refusedPerSecond: 0,
  charted: [],
  colours: new Map(),
};

export function reduce(state: LiveState, event: LiveEvent): LiveState {
  switch (event.type) {
    case "connected":
      return { ...state, connected: true, problem: null };
    case "disconnected":
      return { ...state, connected: false, problem: event.problem };
    case "snapshot":
      return afterSnapshot(state, event.snapshot, event.at);
    case "charted":
      return { ...state, charted: event.programs, colours: coloursOf(state.colours, event.programs, state.live?.share ?? null) };
    case "focus":
      return { ...state, focus: event.id && focusOn(event.id, state.stream, state.live?.time ?? "") };
    case "focus_refused":
      return { ...state, focus: state.focus && { ...state.focus, isRefused: true } };
    case "focused":
      return { ...state, focus: state.focus && withFocused(state.focus, event.focused) };
    case "focus_past":
      return state.focus?.key === event.key ? { ...state, focus: withPast(state.focus, event.requests) } : state;
    case "tick":
      // Without a snapshot, a tick has nothing to change.
      return state.live === null ? state : afterTick(state, state.live.time, event.tick, event.at);
  }
}

function afterSnapshot(state: LiveState, snapshot: Snapshot, at: number): LiveState {
  const stream = restarted(state.stream, snapshot.time, snapshot.requests);
  return {
    ...withCommon(state, snapshot, at),
    processes: new Map(snapshot.processes.map((process) => [processKey(process), process])),
    paces: pacesFrom(snapshot.time),
    stream,
    focus: state.focus && refocused(state.focus, stream, snapshot.time),
    oomKills: snapshot.oom_kills,
  };
}

function afterTick(state: LiveState, lastTime: string, tick: Tick, at: number): LiveState {
  const processes = merged(state.processes, tick);
  const { focus } = state;
  return {
    ...withCommon(state, tick, at),
    processes,
    focus: focus && focusAfterTick(focus, state.processes.get(focus.key), processes.get(focus.key), tick),
    paces: withPaces(state.paces, state.processes, lastTime, tick),
    stream: appended(state.stream, tick.time, tick.requests, tick.skipped),
    oomKills: tick.oom_kills.length === 0 ? state.oomKills : [...state.oomKills, ...tick.oom_kills].slice(-KILL_LIMIT),
  };
}

/** Applies the parts that snapshots and ticks share. */
function withCommon(state: LiveState, message: Snapshot | Tick, at: number): LiveState {
  const { host, health, share, time } = message;
  const rates = withTick(state.rates, time, health, state.live?.health ?? null);
  return {
    ...state,
    connected: true,
    problem: null,
    heardAt: at,
    live: { host, health, share, time },
    rates,
    refusedPerSecond: rates.at(-1)?.refused ?? 0,
    colours: coloursOf(state.colours, state.charted, share),
  };
}

/**
 * Assigns up to ten colours: to programs in the charts first, then to those that requested the
 * most.
 */
function coloursOf(before: Colours, charted: readonly string[], share: Share | null): Colours {
  const names = share?.slices.map((slice) => slice.name) ?? [];
  return assignColours(before, [...new Set([...charted, ...names])]);
}

function merged(before: Processes, tick: Tick): Processes {
  if (tick.changed.length === 0 && tick.removed.length === 0) return before;
  const after = new Map(before);
  for (const process of tick.changed) after.set(processKey(process), process);
  for (const id of tick.removed) after.delete(processKey(id));
  return after.size > PROCESS_LIMIT ? bounded(after) : after;
}

/** Sort key by end time. Processes that are alive come last. */
function age([, process]: [ProcessKey, Process]): string {
  return process.end_time ?? "9999";
}

function bounded(processes: Map<ProcessKey, Process>): Processes {
  const oldestFirst = [...processes].toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  return new Map(oldestFirst.slice(-PROCESS_LIMIT));
}
