/** Where the page is, as the part of the address behind `#`. Pure. */

export const VIEWS = ["overview", "processes", "requests", "health"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  /** Key of the process whose panel is open beside the table, `4211@2026-11-23T10:00:00.000Z`. */
  process: string | null;
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const query = new URLSearchParams(search);
  const [first = "", second = ""] = split(path, "/");
  if (first === "process" && second !== "") return { view: "processes", process: decoded(second), query };
  const view = VIEWS.find((one) => one === first) ?? "overview";
  return { view, process: null, query };
}

export function routeHash(route: { view: View; process?: string | null; query?: Record<string, string> }): string {
  const path = route.process ? `process/${encodeURIComponent(route.process)}` : route.view;
  const query = new URLSearchParams(Object.entries(route.query ?? {}).filter(([, value]) => value !== ""));
  const search = query.toString();
  return `#/${path.replaceAll("%40", "@").replaceAll("%3A", ":")}${search && `?${search}`}`;
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** A hand-written address may hold a lone `%`; it then names no process, which the panel says. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
