/** Live data of one process, queried when it is opened and when the user asks again. */
import { useCallback, useEffect, useState } from "react";
import { fetched } from "./history";
import { timeAgo } from "./clock";

/** An answer older than this, in seconds, is shown with its time. */
const OLD_S = 3;

export interface Once<T> {
  data: T | null;
  /** Time of the reading; null if it is recent. */
  readAt: string | null;
  problem: string | null;
  again: () => void;
}

export function useOnce<T extends { age_s: number }>(path: string, start_time: string): Once<T> {
  const [kept, setKept] = useState<Omit<Once<T>, "again">>({ data: null, readAt: null, problem: null });
  const [turn, setTurn] = useState(0);
  const question = `${turn} /api/v1/${path}?start_time=${encodeURIComponent(start_time)}`;
  useEffect(() => {
    const quit = new AbortController();
    const ask = async () => {
      const answer = await fetched<T>(question.slice(question.indexOf(" ") + 1), quit.signal);
      if (quit.signal.aborted) return;
      if ("data" in answer) {
        const { data } = answer;
        setKept({ data, readAt: data.age_s > OLD_S ? timeAgo(data.age_s) : null, problem: null });
      } else setKept({ data: null, readAt: null, problem: answer.problem });
    };
    void ask();
    return () => quit.abort();
  }, [question]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return { ...kept, again };
}
