/** The address's hash as React state. */
import { useMemo, useSyncExternalStore } from "react";
import { parseRoute, type Route } from "../lib/route";

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
