/** Refused requests of one process by call and errno, with the meaning of the errno. */
import { meaningOf } from "../i18n";
import { visible } from "../lib/visible";
import type { Refusals as Refused } from "../model/wire";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Count } from "../ui/Text";

export function Refusals({ refusals }: { refusals: readonly Refused[] }) {
  const { t } = useSettings();
  if (refusals.length === 0) return null;
  const rows = refusals.toSorted((a, b) => b.count - a.count);
  return (
    <section data-testid="refusals">
      <h3>
        <Term term="refused">{t("process.refusals")}</Term>
      </h3>
      <table className="calls refusals">
        <thead>
          <tr>
            <th>{t("process.call")}</th>
            <th>{t("process.errno")}</th>
            <th className="number">{t("process.count")}</th>
            <th>{t("process.meaning")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ call, errno, error, count }) => (
            <tr key={`${call} ${errno}`}>
              <td>{visible(call)}</td>
              <td className="bad" title={`errno ${errno}`}>{visible(error)}</td>
              <td className="number"><Count value={count} /></td>
              <td className="meaning">{meaningOf(t, "errors", error) ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
