/** PSS and USS of one process. They cost the kernel a walk over its pages, so they are asked for, and once. */
import { useState } from "react";
import { clock } from "../lib/format";
import { visible } from "../lib/visible";
import { askPss, type PssAnswer } from "../live/ask";
import type { ProcessId, Proportional } from "../model/wire";
import { Amount } from "../ui/Amount";
import { useSettings } from "../ui/settings";
import { Bytes } from "../ui/Text";

export function Pss({ process }: { process: ProcessId }) {
  const { words } = useSettings();
  const names = words.process;
  const [answer, setAnswer] = useState<PssAnswer | null>(null);
  const [isAsking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    setAnswer(await askPss(process));
    setAsking(false);
  };
  const word = answer === null ? names.askPss : names.askAgain;
  return (
    <div className="pss" data-testid="pss" aria-live="polite" aria-busy={isAsking}>
      {answer?.kind === "answer" && <Amounts value={answer.value} />}
      {answer?.kind === "failed" && <p className="bad">{names.pssFailed(visible(answer.why))}</p>}
      {answer?.kind === "ended" && <p className="bad">{names.pssFailed(names.pssEnded)}</p>}
      <div className="pss-ask">
        <button type="button" data-testid="ask-pss" disabled={isAsking} onClick={() => void ask()}>
          {isAsking ? names.asking : word}
        </button>
        <span className="muted">{answer?.kind === "answer" ? names.pssAt(clock(answer.at)) : names.pssHint}</span>
      </div>
    </div>
  );
}

function Amounts({ value }: { value: Proportional }) {
  const { words } = useSettings();
  const names = words.process;
  return (
    <div className="sum">
      <Amount term="pss" word={names.pss}><Bytes value={value.pss_bytes} /></Amount>
      <Amount term="uss" word={names.uss}><Bytes value={value.uss_bytes} /></Amount>
      <Amount term="swapPss" word={names.swapPss}><Bytes value={value.swap_pss_bytes} /></Amount>
    </div>
  );
}
