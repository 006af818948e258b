/**
 * Pages of stored requests, the newest first. The first page loads at once, the others on demand.
 */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Query } from "./history";
import { fetched, urlOf, useAskedHost } from "./history";
import type { MemoryRequest } from "../model/wire";

const PAGE = 500;
/** Maximum number of loaded requests. Filters and shorter ranges help to find others. */
export const PAGES_LIMIT = 20_000;

interface Page {
  requests: MemoryRequest[];
  next_cursor: string | null;
}

export interface Pages {
  requests: readonly MemoryRequest[];
  state: "asking" | "more" | "end" | "full" | "failed";
  problem: string | null;
  /** Loads the next page, unless one is already loading. */
  more: () => void;
}

interface Kept {
  key: string;
  requests: readonly MemoryRequest[];
  cursor: string | null;
  state: Pages["state"];
  problem: string | null;
}

export function useRequestPages(query: Query, shown: { from: number; to: number }): Pages {
  const host = useAskedHost();
  const key = urlOf("requests", { host, ...query, limit: PAGE }, shown);
  const [kept, setKept] = useState<Kept>(() => begun(key));
  if (kept.key !== key) setKept(begun(key));
  const quit = useRef(new AbortController());

  const ask = useCallback(
    async (cursor: string | null) => {
      const { signal } = quit.current;
      const url = cursor === null ? key : `${key}&cursor=${encodeURIComponent(cursor)}`;
      const answer = await fetched<Page>(url, signal);
      if (!signal.aborted) setKept((before) => (before.key === key ? after(before, answer) : before));
    },
    [key],
  );
  useEffect(() => {
    quit.current = new AbortController();
    void ask(null);
    return () => quit.current.abort();
  }, [ask]);

  const { requests, cursor, state, problem } = kept;
  const more = useCallback(() => {
    if (state !== "more") return;
    setKept((before) => ({ ...before, state: "asking" }));
    void ask(cursor);
  }, [state, cursor, ask]);
  return { requests, state, problem, more };
}

function begun(key: string): Kept {
  return { key, requests: [], cursor: null, state: "asking", problem: null };
}

function after(before: Kept, answer: { data: Page } | { problem: string }): Kept {
  if ("problem" in answer) return { ...before, state: "failed", problem: answer.problem };
  const requests = [...before.requests, ...answer.data.requests];
  const cursor = answer.data.next_cursor;
  const state = cursor === null ? "end" : requests.length >= PAGES_LIMIT ? "full" : "more";
  return { ...before, requests, cursor, state };
}
