/** Memory of one process: by kind, in swap, and at its peaks. */
import type { Process } from "../model/wire";
import { Amount } from "../ui/Amount";
import { useSettings } from "../ui/settings";
import { Bytes, Count } from "../ui/Text";
import { Pss } from "./Pss";

export function Memory({ process }: { process: Process }) {
  const { t } = useSettings();
  const { anonymous_bytes, file_bytes, shmem_bytes } = process.resident;
  return (
    <section>
      <h3>{t("process.memory")}</h3>
      <ResidentBar process={process} />
      <div className="sum">
        <Amount term="anonymous" word={t("process.anonymous")} part="anonymous"><Bytes value={anonymous_bytes} /></Amount>
        <Amount sign="+" term="file" word={t("process.file")} part="file"><Bytes value={file_bytes} /></Amount>
        <Amount sign="+" term="shmem" word={t("process.shmem")} part="shmem"><Bytes value={shmem_bytes} /></Amount>
        <Amount sign="=" term="resident" word={t("process.resident")} total><Bytes value={process.resident_bytes} /></Amount>
      </div>
      <div className="sum">
        <Amount term="peakResident" word={t("process.peakResident")} part="peak"><Bytes value={process.peak_resident_bytes} /></Amount>
        <Amount term="peakVirtual" word={t("process.peakVirtual")}><Bytes value={process.peak_virtual_bytes} /></Amount>
        <Amount term="swapped" word={t("process.swap")}><Bytes value={process.swap_bytes} /></Amount>
        <Amount term="minorFaults" word={t("process.minorFaults")}><Count value={process.minor_faults} /></Amount>
        <Amount term="majorFaults" word={t("process.majorFaults")}><Count value={process.major_faults} /></Amount>
      </div>
      {process.state === "alive" && <Pss process={process} />}
    </section>
  );
}

/** The resident set by kind. The full width is its peak. */
function ResidentBar({ process }: { process: Process }) {
  const { anonymous_bytes, file_bytes, shmem_bytes } = process.resident;
  const parts = [
    ["anonymous", anonymous_bytes],
    ["file", file_bytes],
    ["shmem", shmem_bytes],
    ["peak", Math.max(0, process.peak_resident_bytes - process.resident_bytes)],
  ] as const;
  return (
    <div className="memory-bar" aria-hidden="true">
      {parts.map(([part, size]) => (
        <span key={part} className={`part part-${part}`} style={{ flexGrow: size }} />
      ))}
    </div>
  );
}
