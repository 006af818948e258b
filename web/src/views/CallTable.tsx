/** Requests of one process by call. */
import type { CallTotals } from "../model/wire";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes, Count } from "../ui/Text";
import { visible } from "../lib/visible";

export function CallTable({ calls }: { calls: Record<string, CallTotals> }) {
  const { t } = useSettings();
  const rows = Object.entries(calls)
    .filter(([, totals]) => totals.count > 0)
    .toSorted(([, a], [, b]) => b.count - a.count);
  return (
    <section>
      <h3>{t("process.byCall")}</h3>
      {rows.length === 0 ? (
        <p className="muted">{t("process.noCalls")}</p>
      ) : (
        <table className="calls">
          <thead>
            <tr>
              <th><Term term="call">{t("process.call")}</Term></th>
              <th className="number">{t("process.count")}</th>
              <th className="number"><Term term="requested">{t("process.requested")}</Term></th>
              <th className="number"><Term term="refused">{t("process.refused")}</Term></th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([call, totals]) => (
              <tr key={call}>
                <td>{visible(call)}</td>
                <td className="number"><Count value={totals.count} /></td>
                <td className="number"><Bytes value={totals.requested_bytes} /></td>
                <td className={totals.refused > 0 ? "number bad" : "number"}><Count value={totals.refused} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
