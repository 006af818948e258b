/** The page's location: the part of the address after `#`. Pure. */
import { timeFromQuery, timeToQuery, type Time } from "./time";

export const VIEWS = ["overview", "processes", "requests", "reports", "health"] as const;
export type View = (typeof VIEWS)[number];

/** Used in place of a host name. No host can have this name. */
export const ALL_HOSTS = "*";

export interface Route {
  view: View;
  /** Key of the process whose panel is open beside the table, `4211@2026-11-23T10:00:00.000Z`. */
  process: string | null;
  time: Time;
  /**
   * Host that the page shows. Null is the host that memtap runs on; `ALL_HOSTS` is all hosts in its
   * store.
   */
  host: string | null;
  /** Parameters of the view itself. */
  query: URLSearchParams;
}

/** Target of a link. */
export interface Target {
  view: View;
  process?: string | null;
  time?: Time;
  host?: string | null;
  query?: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const query = new URLSearchParams(search);
  const time = timeFromQuery(query);
  const host = query.get("host") || null;
  for (const key of ["from", "to", "last", "host"]) query.delete(key);
  const [first = "", second = ""] = split(path, "/");
  if (first === "process" && second !== "") return { view: "processes", process: decoded(second), time, host, query };
  const view = VIEWS.find((one) => one === first) ?? "overview";
  return { view, process: null, time, host, query };
}

export function routeHash({ view, process, time, host, query: own }: Target): string {
  const path = process ? `process/${encodeURIComponent(process)}` : view;
  const entries = Object.entries({ ...own, ...(time && timeToQuery(time)), host: host ?? "" });
  const query = new URLSearchParams(entries.filter(([, value]) => value !== ""));
  const search = query.toString();
  return `#/${path.replaceAll("%40", "@").replaceAll("%3A", ":")}${search && `?${search}`}`;
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * Decodes a part of the address. A hand-written address may contain a single `%`; the panel then
 * reports an unknown process.
 */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
