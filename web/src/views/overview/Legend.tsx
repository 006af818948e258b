/** Legend of a chart. */
import type { TimeSeries } from "../../charts/timeOption";
import { cutMiddle } from "../../lib/visible";

export function Legend({ series }: { series: readonly TimeSeries[] }) {
  return (
    <ul className="keys">
      {series.map((one) => (
        <li key={one.key} title={one.label}>
          <i className={one.isLine ? "key-line" : "swatch"} style={{ background: one.colour }} aria-hidden="true" />
          <bdi>{cutMiddle(one.label, 16)}</bdi>
        </li>
      ))}
    </ul>
  );
}
