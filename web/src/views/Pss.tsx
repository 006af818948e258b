/**
 * PSS and USS of one process. The kernel walks all its pages for them, so they are read only when
 * the user asks.
 */
import { useState } from "react";
import { clock } from "../lib/format";
import { visible } from "../lib/visible";
import { askPss, type PssAnswer } from "../live/ask";
import type { ProcessId, Proportional } from "../model/wire";
import { Amount } from "../ui/Amount";
import { useSettings } from "../ui/settings";
import { Bytes } from "../ui/Text";

export function Pss({ process }: { process: ProcessId }) {
  const { t } = useSettings();
  const [answer, setAnswer] = useState<PssAnswer | null>(null);
  const [isAsking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    setAnswer(await askPss(process));
    setAsking(false);
  };
  const word = answer === null ? t("process.askPss") : t("process.askAgain");
  return (
    <div className="pss" data-testid="pss" aria-live="polite" aria-busy={isAsking}>
      {answer?.kind === "answer" && <Amounts value={answer.value} />}
      {answer?.kind === "failed" && <p className="bad">{t("process.pssFailed", { why: visible(answer.why) })}</p>}
      {answer?.kind === "ended" && <p className="bad">{t("process.pssFailed", { why: t("process.pssEnded") })}</p>}
      <div className="pss-ask">
        <button type="button" data-testid="ask-pss" disabled={isAsking} onClick={() => void ask()}>
          {isAsking ? t("process.asking") : word}
        </button>
        <span className="muted">{answer?.kind === "answer" ? t("process.pssAt", { time: clock(answer.at) }) : t("process.pssHint")}</span>
      </div>
    </div>
  );
}

function Amounts({ value }: { value: Proportional }) {
  const { t } = useSettings();
  return (
    <div className="sum">
      <Amount term="pss" word={t("process.pss")}><Bytes value={value.pss_bytes} /></Amount>
      <Amount term="uss" word={t("process.uss")}><Bytes value={value.uss_bytes} /></Amount>
      <Amount term="swapPss" word={t("process.swapPss")}><Bytes value={value.swap_pss_bytes} /></Amount>
    </div>
  );
}
