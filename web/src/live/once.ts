/** What only the present has of one process: asked when it is opened, and again when the reader wants it. */
import { useCallback, useEffect, useState } from "react";
import { fetched } from "./history";

export interface Once<T> {
  data: T | null;
  problem: string | null;
  again: () => void;
}

export function useOnce<T>(path: string, start_time: string): Once<T> {
  const [kept, setKept] = useState<{ data: T | null; problem: string | null }>({ data: null, problem: null });
  const [turn, setTurn] = useState(0);
  const question = `${turn} /api/v1/${path}?start_time=${encodeURIComponent(start_time)}`;
  useEffect(() => {
    const quit = new AbortController();
    const ask = async () => {
      const answer = await fetched<T>(question.slice(question.indexOf(" ") + 1), quit.signal);
      if (quit.signal.aborted) return;
      setKept("data" in answer ? { data: answer.data, problem: null } : { data: null, problem: answer.problem });
    };
    void ask();
    return () => quit.abort();
  }, [question]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return { ...kept, again };
}
