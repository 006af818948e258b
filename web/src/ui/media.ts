/** Media queries and the clock as React state. */
import { useEffect, useState, useSyncExternalStore } from "react";
import { sourceNow } from "../live/clock";

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const media = matchMedia(query);
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => matchMedia(query).matches,
  );
}

/** Narrow screens have rows of two lines. The style sheets contain the same width. */
export function useNarrow(): boolean {
  return useMedia("(max-width: 720px)");
}

/**
 * The current time of the data, or of another clock, updated every `ms` while the page is visible.
 */
export function useNow(ms: number, clock: () => number = sourceNow): number {
  const [now, setNow] = useState(clock);
  useEffect(() => {
    const read = () => {
      if (!document.hidden) setNow(clock());
    };
    const timer = setInterval(read, ms);
    document.addEventListener("visibilitychange", read);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", read);
    };
  }, [ms, clock]);
  return now;
}
