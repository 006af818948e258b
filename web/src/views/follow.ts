/**
 * Following the stream. The log shows the newest requests until the user pauses or scrolls back,
 * and then does not change.
 */
import { useCallback, useState } from "react";
import type { Stream } from "../model/stream";

export type Mode = "following" | "paused" | "scrolled";

export interface Follow {
  mode: Mode;
  /** The stream, or its state when it was stopped. */
  shown: Stream;
  pause: () => void;
  /** Scrolling back stops the stream until the user scrolls to its end. */
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
