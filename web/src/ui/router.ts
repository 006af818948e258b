/** The hash of the address as React state. */
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

/**
 * Changes the address without a new entry in the browser's history, for example while the user
 * types a filter.
 */
export function replaceHash(hash: string): void {
  history.replaceState(null, "", hash);
  changed();
}

/** Creates links that keep the selected time and host, unless the target has others. */
export function useHref(): (target: Target) => string {
  const { time, host } = useRoute();
  return useCallback((target: Target) => routeHash({ time, host, ...target }), [time, host]);
}

/** Shows another time or host in the same view. */
export function useGoTo(): (to: { time?: Time; host?: string | null }) => void {
  const { view, process, time, host, query } = useRoute();
  return useCallback(
    (to) => navigate(routeHash({ view, process, time, host, query: Object.fromEntries(query), ...to })),
    [view, process, time, host, query],
  );
}

/** Returns whether the page shows live data of this host, and not the history. */
export function useIsLive(): boolean {
  const { time, host } = useRoute();
  return time.kind === "live" && host === null;
}
