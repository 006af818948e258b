/**
 * Focuses on a process while its panel is open. The server then sends its requests separately, and
 * earlier ones are read from the history.
 */
import { useEffect } from "react";
import { lookAt } from "../../live/connect";
import { fetched, urlOf } from "../../live/history";
import { PAST_LIMIT } from "../../model/focus";
import { processKey } from "../../model/key";
import { dispatch, useLive } from "../../model/store";
import type { MemoryRequest, ProcessId } from "../../model/wire";

/** Time after which the history contains the earlier requests. */
const STORED_MS = 2_500;

export function useFocus({ pid, start_time }: ProcessId): void {
  useEffect(() => {
    lookAt({ pid, start_time });
    return () => lookAt(null);
  }, [pid, start_time]);

  const since = useLive((state) => state.focus?.since ?? null);
  const hasHistory = useLive((state) => state.live?.health.store.kind !== "none");
  useEffect(() => {
    if (since === null || !hasHistory) return undefined;
    const quit = new AbortController();
    const ask = async () => {
      const shown = { from: Date.parse(start_time), to: Date.parse(since) };
      const url = urlOf("requests", { pid, start_time, limit: PAST_LIMIT }, shown);
      const answer = await fetched<{ requests: MemoryRequest[] }>(url, quit.signal);
      if (!quit.signal.aborted && "data" in answer) dispatch({ type: "focus_past", key: processKey({ pid, start_time }), requests: answer.data.requests });
    };
    const timer = setTimeout(() => void ask(), STORED_MS);
    return () => {
      clearTimeout(timer);
      quit.abort();
    };
  }, [pid, start_time, since, hasHistory]);
}
