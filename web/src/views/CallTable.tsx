/** Requests of one process by call. */
import type { CallTotals } from "../model/wire";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes, Count } from "../ui/Text";
import { visible } from "../lib/visible";

export function CallTable({ calls }: { calls: Record<string, CallTotals> }) {
  const { words } = useSettings();
  const names = words.process;
  const rows = Object.entries(calls)
    .filter(([, totals]) => totals.count > 0)
    .toSorted(([, a], [, b]) => b.count - a.count);
  return (
    <section>
      <h3>{names.byCall}</h3>
      {rows.length === 0 ? (
        <p className="muted">{names.noCalls}</p>
      ) : (
        <table className="calls">
          <thead>
            <tr>
              <th><Term term="call">{names.call}</Term></th>
              <th className="number">{names.count}</th>
              <th className="number"><Term term="requested">{names.requested}</Term></th>
              <th className="number"><Term term="refused">{names.refused}</Term></th>
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
