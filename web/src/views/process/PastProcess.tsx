/** A past process, according to the history of the selected time. */
import type { ReactNode } from "react";
import { moment } from "../../lib/format";
import { visible } from "../../lib/visible";
import type { Life } from "../../model/history";
import { Amount } from "../../ui/Amount";
import { useNow } from "../../ui/media";
import { useSettings } from "../../ui/settings";
import { Bytes, Count, Strange } from "../../ui/Text";
import { RequestHistory } from "../RequestHistory";
import { PastRefusals, useRefusals } from "./PastRefusals";
import { Sizes } from "./Sizes";
import { Timeline } from "./Timeline";

export function PastProcess({ life, shown }: { life: Life; shown: { from: number; to: number } }) {
  const { t } = useSettings();
  const { pid, start_time, host } = life;
  const refusals = useRefusals(life, host);
  const hasKinds = hasKindsOf(life);
  return (
    <>
      <PastIdentity life={life} />
      <Timeline id={life} host={host} end={life.end_time} />
      <section className="whole">
        <h3>{t("process.memory")}</h3>
        <div className="sum">
          <Amount term="virtual" word={t("process.virtual")}><Bytes value={life.virtual_bytes} /></Amount>
          <Amount term="resident" word={t("process.resident")}><Bytes value={life.resident_bytes} /></Amount>
          {hasKinds && (
            <>
              <Amount term="anonymous" word={t("process.anonymous")}><Bytes value={life.resident.anonymous_bytes} /></Amount>
              <Amount term="file" word={t("process.file")}><Bytes value={life.resident.file_bytes} /></Amount>
              <Amount term="shmem" word={t("process.shmem")}><Bytes value={life.resident.shmem_bytes} /></Amount>
            </>
          )}
          <Amount term="swapped" word={t("process.swap")}><Bytes value={life.swap_bytes} /></Amount>
          <Amount term="peakResident" word={t("process.peakResident")}><Bytes value={life.peak_resident_bytes} /> <PeakTime time={life.peak_resident_time} /></Amount>
          <Amount term="peakVirtual" word={t("process.peakVirtual")}><Bytes value={life.peak_virtual_bytes} /> <PeakTime time={life.peak_virtual_time} /></Amount>
        </div>
        <div className="sum">
          <Amount term="request" word={t("process.timeline.count")}><Count value={life.requests} /></Amount>
          <Amount term="refused" word={t("process.timeline.refused")}><Count value={life.refused} /></Amount>
          <Amount term="requested" word={t("process.requested")}><Bytes value={life.requested_bytes} /></Amount>
          <Amount term="granted" word={t("process.granted")}><Bytes value={life.granted_bytes} /></Amount>
          <Amount term="released" word={t("process.released")}><Bytes value={life.released_bytes} /></Amount>
          <Amount term="minorFaults" word={t("process.minorFaults")}><Count value={life.minor_faults} /></Amount>
          <Amount term="majorFaults" word={t("process.majorFaults")}><Count value={life.major_faults} /></Amount>
        </div>
        {!hasKinds && <p className="muted">{t("process.onlyPeaks")}</p>}
        <p className="muted">{t("process.onlyNow")}</p>
      </section>
      <Sizes id={life} host={host} />
      {refusals.length > 0 && <PastRefusals refusals={refusals} />}
      <section className="stream-head whole">
        <h3>{t("process.itsRequests")}</h3>
      </section>
      <RequestHistory query={{ pid, start_time, host }} shown={shown} filtered inPanel />
    </>
  );
}

/**
 * Returns whether the sizes by kind are known. For a process that ended within its first step, only
 * the highest sizes are.
 */
function hasKindsOf({ resident_bytes, resident }: Life): boolean {
  return resident.anonymous_bytes + resident.file_bytes + resident.shmem_bytes === resident_bytes;
}

/** Time of a peak, with the precision of the history's steps. */
function PeakTime({ time }: { time: string }) {
  const now = useNow(60_000);
  return (
    <time className="muted" dateTime={time}>
      {moment(time, now)}
    </time>
  );
}

function PastIdentity({ life }: { life: Life }) {
  const { t } = useSettings();
  const now = useNow(60_000);
  const place = life.container ?? life.pod ?? life.unit;
  return (
    <div className="whole">
      <p className="identity">
        {life.end_time !== null && <Fact word={t("process.ended")}>{moment(life.end_time, now)}</Fact>}
        <Fact word={t("process.user")}><Strange text={life.user} /></Fact>
        <Fact word={t("process.started")}>{moment(life.start_time, now)}</Fact>
        {place !== null && <Fact word={life.container === null ? t("process.unit") : t("process.container")}><Strange text={place} limit={36} /></Fact>}
        {life.parent_pid !== null && <Fact word={t("process.parent")}>{life.parent_pid}</Fact>}
      </p>
      <pre className="command" aria-label={t("process.command")}>
        {life.command === "" ? <span className="muted">{t("process.noCommand")}</span> : visible(life.command)}
      </pre>
    </div>
  );
}

function Fact({ word, children }: { word: string; children: ReactNode }) {
  return (
    <span>
      {word} <b>{children}</b>
    </span>
  );
}
