/** When figures were read: the server shares one reading among all who ask, so they may be older than the question. */
import { clock } from "../lib/format";
import { useSettings } from "./settings";

export function ReadAt({ time }: { time: string | null }) {
  const { t } = useSettings();
  return time === null ? null : <span className="muted">{t("process.pssAt", { time: clock(time) })}</span>;
}
