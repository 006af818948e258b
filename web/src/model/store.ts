/** Holds the page's state and notifies React of changes. */
import { useSyncExternalStore } from "react";
import { initialState, reduce, type LiveEvent, type LiveState } from "./state";

let state = initialState;
const listeners = new Set<() => void>();

export function dispatch(event: LiveEvent): void {
  const next = reduce(state, event);
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Selects a part of the state. `select` must return the same object while that part does not
 * change.
 */
export function useLive<T>(select: (state: LiveState) => T): T {
  return useSyncExternalStore(subscribe, () => select(state));
}
