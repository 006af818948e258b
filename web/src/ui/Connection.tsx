/** State of the connection, in words. */
import { duration } from "../lib/format";
import { useLive } from "../model/store";
import { useNow } from "./media";
import { useSettings } from "./settings";

/** Time without a tick after which the data are stale. */
const STALE_MS = 3_000;

export interface ConnectionState {
  state: "live" | "stale" | "connecting" | "recorded";
  /** Seconds since the last data. */
  age: number;
}

export function useConnection(): ConnectionState {
  const heardAt = useLive((state) => state.heardAt);
  const connected = useLive((state) => state.connected);
  const isRecorded = useLive((state) => state.live?.health.source === "recording");
  const now = useNow(500, Date.now);
  if (heardAt === null) return { state: "connecting", age: 0 };
  const silence = Math.max(0, now - heardAt);
  // A recording that was played to its end is not stale.
  if (isRecorded && connected) return { state: "recorded", age: 0 };
  const state = connected && silence <= STALE_MS ? "live" : "stale";
  return { state, age: Math.floor(silence / 1000) };
}

export function Connection({ connection }: { connection: ConnectionState }) {
  const { t } = useSettings();
  const { state, age } = connection;
  return (
    <span className="connection" data-testid="connection" data-state={state} role="status">
      <span className="dot" aria-hidden="true" />
      {t(`frame.connection.state.${state}`)}
      {state === "stale" && <span aria-hidden="true"> {duration(age)}</span>}
    </span>
  );
}
