/** Media queries and the clock as React state. */
import { useEffect, useState, useSyncExternalStore } from "react";

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

/** Narrow screens get two-line rows; the same width stands in the style sheets. */
export function useNarrow(): boolean {
  return useMedia("(max-width: 720px)");
}

/** The browser's clock, read every `ms` while somebody sees the page. */
export function useNow(ms: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const read = () => {
      if (!document.hidden) setNow(Date.now());
    };
    const timer = setInterval(read, ms);
    document.addEventListener("visibilitychange", read);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", read);
    };
  }, [ms]);
  return now;
}
