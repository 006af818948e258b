/** Memory in the selected time: by program, or by part of the whole machine. */
import { useMemo, useState } from "react";
import { machineMemory, programMemory } from "../../charts/historyData";
import { TimeChart } from "../../charts/parts";
import type { Answer } from "../../live/history";
import type { Machine, Programs } from "../../model/history";
import { useLive } from "../../model/store";
import { Choice } from "../../ui/Choice";
import { recalled, remember } from "../../ui/memory";
import { useSettings } from "../../ui/settings";
import { Legend } from "./Legend";
import { Waiting } from "./Waiting";

const KINDS = ["programs", "machine"] as const;
type Kind = (typeof KINDS)[number];

interface Props {
  programs: Answer<Programs>;
  machine: Answer<Machine>;
}

export function MemoryChart({ programs, machine }: Props) {
  const { t } = useSettings();
  const [kind, setKind] = useState<Kind>(() => recalled("memory", KINDS) ?? "programs");
  const choose = (value: Kind) => {
    remember("memory", value);
    setKind(value);
  };
  const data = useData(kind, programs, machine);
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t("overview.memory.title")}</h2>
        <Choice
          label={t("overview.memory.title")}
          value={kind}
          options={KINDS.map((one) => [one, t(`overview.memory.${one}`)])}
          onChoose={choose}
        />
      </header>
      {data !== null && <Legend series={data.series} />}
      {data !== null && data.times.length > 0 ? (
        <TimeChart data={data} testId="memory-chart" />
      ) : (
        <Waiting answer={kind === "programs" ? programs : machine} />
      )}
    </section>
  );
}

function useData(kind: Kind, programs: Answer<Programs>, machine: Answer<Machine>) {
  const { t, theme, lang } = useSettings();
  const colours = useLive((state) => state.colours);
  return useMemo(() => {
    if (kind === "programs") {
      const { data, shown } = programs;
      if (data === null || shown === null) return null;
      return programMemory(data, shown, colours, theme, lang, t("overview.memory.description"));
    }
    const { data, shown } = machine;
    if (data === null || shown === null) return null;
    const words = {
      programs: t("strip.parts.programs"),
      kernel: t("strip.parts.kernel"),
      cached: t("strip.parts.cache"),
      description: t("overview.memory.machineDescription"),
    };
    return machineMemory(data, shown, theme, lang, words);
  }, [kind, programs, machine, colours, theme, lang, t]);
}
