/** The resident set of the last two minutes as a small line. */
import { sparkPath } from "../../lib/spark";
import { useLive } from "../../model/store";

const BOX = { width: 76, height: 14 };

interface SparkProps {
  trace: readonly number[];
  startTime: string;
  /** Time when the table was paused, in ms. */
  pausedAt: number | null;
}

export function Spark({ trace, startTime, pausedAt }: SparkProps) {
  const now = Date.parse(useLive((state) => state.live?.time ?? ""));
  const since = useLive((state) => state.paces.since ?? 0);
  const path = sparkPath(trace, Math.max(since, Date.parse(startTime)), pausedAt ?? now, BOX);
  return (
    <svg className="spark" viewBox={`0 -2 ${BOX.width} ${BOX.height + 4}`} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
