/** The machine's memory as one bar whose parts add up to the total. */
import { useMemo } from "react";
import { bytes, exactBytes, percent } from "../../lib/format";
import { visibleName } from "../../lib/visible";
import { useLive } from "../../model/store";
import type { Process } from "../../model/wire";
import { useHref } from "../router";
import { useSettings } from "../settings";
import { useTip } from "../Term";

interface MachineMemory {
  total_bytes: number;
  programs_bytes: number;
  cached_bytes: number;
  kernel_bytes: number;
  free_bytes: number;
}

const PARTS = ["programs", "cache", "kernel", "free"] as const;
type Part = (typeof PARTS)[number];

function sizeOf(memory: MachineMemory, part: Part): number {
  return part === "cache" ? memory.cached_bytes : memory[`${part}_bytes`];
}

/** With `withPrograms`, the programs' part is divided among the largest live processes. */
export function MemoryBar({ memory, withPrograms = false }: { memory: MachineMemory; withPrograms?: boolean }) {
  const { t, lang } = useSettings();
  const href = useHref();
  return (
    <a className="memory" href={href({ view: "processes" })} title={t("strip.memory")} data-testid="memory-bar">
      <span className="memory-total" title={exactBytes(memory.total_bytes, lang)}>
        {bytes(memory.total_bytes, lang)}
      </span>
      <span className="memory-bar" aria-hidden="true">
        {withPrograms && <Largest programs={memory.programs_bytes} />}
        {PARTS.map(
          (part) =>
            !(withPrograms && part === "programs") && (
              <span key={part} className={`part part-${part}`} style={{ flexGrow: sizeOf(memory, part) }} />
            ),
        )}
      </span>
      <span className="legend">
        {PARTS.map((part) => (
          <PartLine key={part} part={part} size={sizeOf(memory, part)} total={memory.total_bytes} />
        ))}
      </span>
    </a>
  );
}

/** A part in numbers. The tooltip explains how it is measured. */
function PartLine({ part, size, total }: { part: Part; size: number; total: number }) {
  const { t, lang } = useSettings();
  const { attributes, tip } = useTip(`${t(`strip.known.${part}`)} ${exactBytes(size, lang)}.`);
  const share = total > 0 ? (100 * size) / total : 0;
  return (
    <span {...attributes}>
      <i className={`part part-${part}`} aria-hidden="true" />
      {t(`strip.parts.${part}`)} <b>{bytes(size, lang)}</b> {percent(share, lang)} %{tip}
    </span>
  );
}

/** Number of processes with their own piece of the bar. */
const LARGEST = 5;

/**
 * Pieces for the anonymous pages of the largest processes, which no other process uses, and one for
 * everything else: smaller processes and shared pages.
 */
function Largest({ programs }: { programs: number }) {
  const { t, lang } = useSettings();
  const processes = useLive((state) => state.processes);
  const largest = useMemo(() => largestOf(processes.values()), [processes]);
  const shown = largest.reduce((sum, process) => sum + process.resident.anonymous_bytes, 0);
  return (
    <>
      {largest.map((process) => (
        <span
          key={process.pid}
          className="part part-programs part-piece"
          style={{ flexGrow: process.resident.anonymous_bytes }}
          title={`${visibleName(process.name)} (${process.pid}): ${t("strip.own", { size: bytes(process.resident.anonymous_bytes, lang) })}`}
        />
      ))}
      <span className="part part-programs" style={{ flexGrow: Math.max(0, programs - shown) }} title={t("strip.rest")} />
    </>
  );
}

function largestOf(processes: Iterable<Process>): Process[] {
  const largest: Process[] = [];
  for (const process of processes) {
    const size = process.resident.anonymous_bytes;
    if (process.state !== "alive" || size <= (largest.at(LARGEST - 1)?.resident.anonymous_bytes ?? 0)) continue;
    const at = largest.findIndex((other) => other.resident.anonymous_bytes < size);
    largest.splice(at < 0 ? largest.length : at, 0, process);
    largest.length = Math.min(largest.length, LARGEST);
  }
  return largest;
}
