/** The address's hash as React state. */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { parseRoute, routeHash, type Route, type Target } from "../lib/route";
import type { Time } from "../lib/time";

const listeners = new Set<() => void>();
function changed(): void {
  for (const listener of listeners) listener();
}
addEventListener("hashchange", changed);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

export function navigate(hash: string): void {
  location.hash = hash;
}

/** Changes the address without a new entry in the history, as typing into a filter does. */
export function replaceHash(hash: string): void {
  history.replaceState(null, "", hash);
  changed();
}

/** Makes links that keep the time and the machine which are shown, unless they name others. */
export function useHref(): (target: Target) => string {
  const { time, host } = useRoute();
  return useCallback((target: Target) => routeHash({ time, host, ...target }), [time, host]);
}

/** Shows another time, or another machine, in the same view. */
export function useGoTo(): (to: { time?: Time; host?: string | null }) => void {
  const { view, process, time, host, query } = useRoute();
  return useCallback(
    (to) => navigate(routeHash({ view, process, time, host, query: Object.fromEntries(query), ...to })),
    [view, process, time, host, query],
  );
}

/** Whether the page shows this machine as it is now, and not what the history knows. */
export function useIsLive(): boolean {
  const { time, host } = useRoute();
  return time.kind === "live" && host === null;
}
