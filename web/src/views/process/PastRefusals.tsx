/** Refused requests of a process in the selected time, with their meaning and how to fix them. */
import { clock } from "../../lib/format";
import { visible } from "../../lib/visible";
import { useHistory } from "../../live/history";
import type { RefusalList } from "../../model/history";
import type { ProcessId } from "../../model/wire";
import { useSettings } from "../../ui/settings";
import { Term } from "../../ui/Term";
import { Bytes, Count } from "../../ui/Text";

const EVERY_MS = 5_000;

/** Returns the refused requests of a process from the history, with explanations. */
export function useRefusals({ pid, start_time }: ProcessId, host?: string): RefusalList["refusals"] {
  const { lang } = useSettings();
  const { data } = useHistory<RefusalList>("refusals", { pid, start_time, host, lang }, EVERY_MS);
  return data?.refusals ?? [];
}

export function PastRefusals({ refusals }: { refusals: RefusalList["refusals"] }) {
  const { t } = useSettings();
  return (
    <section className="whole" data-testid="refusals">
      <h3>
        <Term term="refused">{t("process.refusals")}</Term>
      </h3>
      <ul className="explained">
        {refusals.map((one) => (
          <li key={`${one.call} ${one.errno}`}>
            <p>
              {clock(one.last_time)} <b>{visible(one.call)}</b> <Bytes value={one.largest_bytes} /> × <Count value={one.count} /> →{" "}
              <span className="bad">{visible(one.error)}</span>: {visible(one.meaning)}
            </p>
            {one.fix !== null && <p className="muted">{visible(one.fix)}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
