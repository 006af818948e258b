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

/** Makes links that keep the time which is shown, unless they name another. */
export function useHref(): (target: Target) => string {
  const { time } = useRoute();
  return useCallback((target: Target) => routeHash({ time, ...target }), [time]);
}

/** Shows another time in the same view. */
export function useGoTo(): (time: Time) => void {
  const { view, process, query } = useRoute();
  return useCallback(
    (time: Time) => navigate(routeHash({ view, process, time, query: Object.fromEntries(query) })),
    [view, process, query],
  );
}
