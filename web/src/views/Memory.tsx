/** What one process has in memory: by kind, in swap, and at its peaks. */
import type { Process } from "../model/wire";
import { Amount } from "../ui/Amount";
import { useSettings } from "../ui/settings";
import { Bytes, Count } from "../ui/Text";
import { Pss } from "./Pss";

export function Memory({ process }: { process: Process }) {
  const { words } = useSettings();
  const names = words.process;
  const { anonymous_bytes, file_bytes, shmem_bytes } = process.resident;
  return (
    <section>
      <h3>{names.memory}</h3>
      <ResidentBar process={process} />
      <div className="sum">
        <Amount term="anonymous" word={names.anonymous} part="anonymous"><Bytes value={anonymous_bytes} /></Amount>
        <Amount sign="+" term="file" word={names.file} part="file"><Bytes value={file_bytes} /></Amount>
        <Amount sign="+" term="shmem" word={names.shmem} part="shmem"><Bytes value={shmem_bytes} /></Amount>
        <Amount sign="=" term="resident" word={names.resident} total><Bytes value={process.resident_bytes} /></Amount>
      </div>
      <div className="sum">
        <Amount term="peakResident" word={names.peakResident} part="peak"><Bytes value={process.peak_resident_bytes} /></Amount>
        <Amount term="peakVirtual" word={names.peakVirtual}><Bytes value={process.peak_virtual_bytes} /></Amount>
        <Amount term="swapped" word={names.swap}><Bytes value={process.swap_bytes} /></Amount>
        <Amount term="minorFaults" word={names.minorFaults}><Count value={process.minor_faults} /></Amount>
        <Amount term="majorFaults" word={names.majorFaults}><Count value={process.major_faults} /></Amount>
      </div>
      {process.state === "alive" && <Pss process={process} />}
    </section>
  );
}

/** The resident set by kind; the whole bar is its peak. */
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
