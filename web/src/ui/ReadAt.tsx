/** Time of a reading. Clients share the server's readings, so one may be older than the query. */
import { clock } from "../lib/format";
import { useSettings } from "./settings";

export function ReadAt({ time }: { time: string | null }) {
  const { t } = useSettings();
  return time === null ? null : <span className="muted">{t("process.pssAt", { time: clock(time) })}</span>;
}
