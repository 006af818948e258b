/** Following the stream: the newest is shown until the reader pauses or scrolls back; then what is shown stays still. */
import { useCallback, useState } from "react";
import type { Stream } from "../model/stream";

export type Mode = "following" | "paused" | "scrolled";

export interface Follow {
  mode: Mode;
  /** What to show: the stream, or how it was when it was stopped. */
  shown: Stream;
  pause: () => void;
  /** Scrolling back stops as well, until one scrolls to the end again. */
  scrolledBack: () => void;
  scrolledToEnd: () => void;
  resume: () => void;
}

interface Still {
  mode: "paused" | "scrolled";
  stream: Stream;
}

export function useFollow(stream: Stream): Follow {
  const [still, setStill] = useState<Still | null>(null);
  const resume = useCallback(() => setStill(null), []);
  return {
    mode: still?.mode ?? "following",
    shown: still?.stream ?? stream,
    pause: () => setStill({ mode: "paused", stream: still?.stream ?? stream }),
    scrolledBack: () => setStill((before) => before ?? { mode: "scrolled", stream }),
    scrolledToEnd: () => setStill((before) => (before?.mode === "paused" ? before : null)),
    resume,
  };
}
