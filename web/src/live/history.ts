/**
 * Queries of the history as React state. They run when they change, and repeatedly while the page
 * shows live data.
 */
import { useEffect, useState } from "react";
import { stretch, type Time } from "../lib/time";
import { ALL_HOSTS } from "../lib/route";
import { useLive } from "../model/store";
import { useRoute } from "../ui/router";
import { sourceNow } from "./clock";

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Answer<T> {
  /**
   * The latest answer. After a change of the query, the previous answer until the new one arrives.
   */
  data: T | null;
  /** The range that `data` covers. */
  shown: { from: number; to: number } | null;
  /** Error of the last attempt. */
  problem: string | null;
  /** True while `data` is the answer to a previous query. */
  isOld: boolean;
}

/**
 * Queries a path for the page's time and host (`query` may name another host). A null path queries
 * nothing.
 */
export function useHistory<T>(path: string | null, query: Query, everyMs: number): Answer<T> {
  const { time } = useRoute();
  const host = useAskedHost();
  // Query again when the data turn out to be a recording, which has its own clock.
  const isRecorded = useLive((state) => state.live?.health.source === "recording");
  // The key is a string, because its parts are new objects at each rendering.
  return useAnswer<T>(JSON.stringify([path, { host, ...query }, time, isRecorded] satisfies Question), everyMs);
}

/** Host for queries that do not name one; null means all hosts. */
export function useAskedHost(): string | null {
  const { host } = useRoute();
  const own = useLive((state) => state.live?.host.hostname ?? null);
  return host === ALL_HOSTS ? null : (host ?? own);
}

type Question = [path: string | null, query: Query, time: Time, isRecorded: boolean];

interface Kept<T> {
  key: string;
  data: T | null;
  shown: Answer<T>["shown"];
  problem: string | null;
}

function useAnswer<T>(key: string, everyMs: number): Answer<T> {
  const [kept, setKept] = useState<Kept<T>>({ key: "", data: null, shown: null, problem: null });

  useEffect(() => {
    const [path, query, time] = JSON.parse(key) as Question;
    if (path === null) return undefined;
    const quit = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      const shown = stretch(time, sourceNow());
      const answer = await fetched<T>(urlOf(path, query, shown), quit.signal);
      if (quit.signal.aborted) return;
      setKept((before) =>
        "data" in answer
          ? { key, data: answer.data, shown, problem: null }
          : { ...(before.key === key ? before : { data: null, shown: null }), key, problem: answer.problem },
      );
      if (time.kind === "live") timer = setTimeout(again, everyMs);
    };
    // A hidden tab does not query. It continues when it is visible again.
    const again = () => {
      if (document.hidden) document.addEventListener("visibilitychange", again, { once: true, signal: quit.signal });
      else void ask();
    };
    again();
    return () => {
      quit.abort();
      clearTimeout(timer);
    };
  }, [key, everyMs]);

  return { data: kept.data, shown: kept.shown, problem: kept.problem, isOld: kept.key !== key };
}

/**
 * Queries data that do not depend on the selected time, once a minute while the page is visible.
 */
export function useAlways<T>(path: string | null): T | null {
  const [data, setData] = useState<T | null>(null);
  useEffect(() => {
    if (path === null) return undefined;
    const quit = new AbortController();
    const ask = async () => {
      const answer = await fetched<T>(`/api/v1/${path}`, quit.signal);
      if (!quit.signal.aborted && "data" in answer) setData(answer.data);
    };
    void ask();
    const timer = setInterval(() => document.hidden || void ask(), 60_000);
    return () => {
      clearInterval(timer);
      quit.abort();
    };
  }, [path]);
  return data;
}

export function urlOf(path: string, query: Query, { from, to }: { from: number; to: number }): string {
  const search = new URLSearchParams();
  const all = { ...query, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  for (const [name, value] of Object.entries(all)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  return `/api/v1/${path}?${search}`;
}

/** Fetches JSON. On failure, returns the error in the server's words. */
export async function fetched<T>(url: string, signal: AbortSignal): Promise<{ data: T } | { problem: string }> {
  try {
    const response = await fetch(url, { signal });
    const body = (await response.json()) as T & { error?: string };
    return response.ok ? { data: body } : { problem: body.error ?? `HTTP ${response.status}` };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
