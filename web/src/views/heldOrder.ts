/** Rows never change places under a held pointer: what one presses on is what one releases on. */
import { useEffect, useMemo, useState } from "react";
import { processKey, type ProcessKey } from "../model/state";
import { useLive } from "../model/store";
import type { Process } from "../model/wire";

export function useHeldOrder(ordered: readonly Process[]): { rows: readonly Process[]; hold: () => void } {
  const [held, setHeld] = useState<readonly ProcessKey[] | null>(null);
  const processes = useLive((state) => state.processes);

  useEffect(() => {
    if (held === null) return undefined;
    // Not at once: the click comes after pointerup, and must still find the row that was pressed.
    const release = () => setTimeout(() => setHeld(null));
    addEventListener("pointerup", release);
    addEventListener("pointercancel", release);
    addEventListener("blur", release);
    return () => {
      removeEventListener("pointerup", release);
      removeEventListener("pointercancel", release);
      removeEventListener("blur", release);
    };
  }, [held]);

  // The values go on changing while the order is held.
  const rows = useMemo(() => {
    if (held === null) return ordered;
    return held.flatMap((key) => processes.get(key) ?? []);
  }, [held, ordered, processes]);
  return { rows, hold: () => setHeld(ordered.map(processKey)) };
}
