/** Holds the one LiveState and tells React when it changed. */
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

/** The part of the state that `select` picks; it must return the same object while that part is the same. */
export function useLive<T>(select: (state: LiveState) => T): T {
  return useSyncExternalStore(subscribe, () => select(state));
}
