/**
 * Keeps the order of lines while the pointer is pressed or moving over them, so that a click hits
 * the intended line. Values still change.
 */
import { useEffect, useMemo, useState, type PointerEvent } from "react";
import type { Line } from "../../lib/arrange";

/** Time after a movement of the pointer in which a click is likely. */
const AIMING_MS = 1_200;

interface Held {
  /** The user's settings. When they change, the order is no longer held. */
  choice: object;
  lines: readonly Line[];
  pressed: boolean;
  at: number;
}

export function useHeldOrder(ordered: readonly Line[], choice: object) {
  const [held, setHeld] = useState<Held | null>(null);

  useEffect(() => {
    if (held === null) return undefined;
    const release = () => setHeld(null);
    if (!held.pressed) {
      const timer = setTimeout(release, AIMING_MS);
      return () => clearTimeout(timer);
    }
    // Not immediately: the click follows pointerup, and must still find the line under the pointer.
    const later = () => setTimeout(release);
    const quit = new AbortController();
    for (const type of ["pointerup", "pointercancel", "blur"]) addEventListener(type, later, { signal: quit.signal });
    return () => quit.abort();
  }, [held]);

  const kept = held !== null && held.choice === choice ? held.lines : null;
  const lines = useMemo(() => {
    if (kept === null) return ordered;
    const fresh = new Map(ordered.map((line) => [line.key, line]));
    return kept.map((line) => fresh.get(line.key) ?? line);
  }, [kept, ordered]);

  const hold = (pressed: boolean, at: number) => setHeld({ choice, lines: kept ?? ordered, pressed, at });
  return {
    lines,
    onPointerDown: (event: PointerEvent) => hold(true, event.timeStamp),
    onPointerMove: (event: PointerEvent) => {
      const isNews = kept === null || (held !== null && !held.pressed && event.timeStamp - held.at > AIMING_MS / 3);
      if (event.pointerType === "mouse" && isNews) hold(false, event.timeStamp);
    },
  };
}
