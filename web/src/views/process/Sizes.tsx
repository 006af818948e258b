/** Which sizes a process asks for: a histogram by powers of two, and those that come most often. */
import { callColour } from "../../charts/historyData";
import { histogram, type Bar } from "../../lib/histogram";
import { visible } from "../../lib/visible";
import { useHistory } from "../../live/history";
import type { Sizes as Answered } from "../../model/history";
import type { ProcessId } from "../../model/wire";
import { useSettings } from "../../ui/settings";
import { Term } from "../../ui/Term";
import { Bytes, Count } from "../../ui/Text";

const EVERY_MS = 15_000;
const FREQUENT = 6;

export function Sizes({ id: { pid, start_time } }: { id: ProcessId }) {
  const { t } = useSettings();
  const { data } = useHistory<Answered>("sizes", { pid, start_time }, EVERY_MS);
  if (data === null || data.buckets.length === 0) return null;
  const bars = histogram(data.buckets);
  const most = Math.max(...bars.map((bar) => bar.count));
  return (
    <section data-testid="sizes">
      <h3>
        <Term term="sizes">{t("process.sizes.title")}</Term>
      </h3>
      <table className="sizes">
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.from}>
              <th scope="row" className="number"><Bytes value={bar.from} /></th>
              <td><SizeBar bar={bar} most={most} /></td>
              <td className="number"><Count value={bar.count} /></td>
              <td className="number bad">{bar.refused > 0 && t("process.sizes.refused", { count: bar.refused })}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="muted">
        {t("process.sizes.frequent")}{" "}
        {data.frequent.slice(0, FREQUENT).map(({ call, size, count }, i) => (
          <span key={`${call} ${size}`}>
            {i > 0 && ", "}
            {visible(call)} <b><Bytes value={size} /></b> × <Count value={count} />
          </span>
        ))}
      </p>
      {data.cut && <p className="muted">{t("process.sizes.cut", { count: data.rows })}</p>}
    </section>
  );
}

function SizeBar({ bar, most }: { bar: Bar; most: number }) {
  const { theme, t } = useSettings();
  const width = (count: number) => `${(100 * count) / most}%`;
  return (
    <span className="size-bar">
      {bar.granted.map(({ call, count }) => (
        <i key={call} title={`${visible(call)} ${count}`} style={{ width: width(count), background: callColour(call, theme) }} />
      ))}
      {bar.refused > 0 && <i className="size-refused" title={t("process.sizes.refused", { count: bar.refused })} style={{ width: width(bar.refused) }} />}
    </span>
  );
}
