/** Sizes that a process requests: a histogram by powers of two, and the most frequent sizes. */
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

export function Sizes({ id: { pid, start_time }, host }: { id: ProcessId; host?: string }) {
  const { t, theme } = useSettings();
  const { data } = useHistory<Answered>("sizes", { pid, start_time, host }, EVERY_MS);
  if (data === null || data.buckets.length === 0) return null;
  const bars = histogram(data.buckets);
  const calls = [...new Set(data.buckets.map((bucket) => bucket.call))];
  const most = Math.max(...bars.map((bar) => bar.count));
  return (
    <section data-testid="sizes">
      <h3>
        <Term term="sizes">{t("process.sizes.title")}</Term>
      </h3>
      <ul className="keys">
        {calls.map((call) => (
          <li key={call}>
            <i className="swatch" style={{ background: callColour(call, theme) }} aria-hidden="true" /> {visible(call)}
          </li>
        ))}
      </ul>
      <table className="sizes">
        <tbody>
          {bars.map((bar, i) => (
            <tr key={bar.from} className={isAfterGap(bars[i - 1], bar) ? "size-gap" : ""}>
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

/** Returns whether empty rows were left out before this one. */
function isAfterGap(before: Bar | undefined, bar: Bar): boolean {
  return before !== undefined && before.from > 0 && bar.from > 2 * before.from;
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
