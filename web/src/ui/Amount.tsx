/** A number above its label. Several of them in a row form a sum. */
import type { ReactNode } from "react";
import type { Term as TermName } from "../i18n";
import { Term } from "./Term";

interface AmountProps {
  term: TermName;
  word: string;
  sign?: string;
  /** The part of a bar with the same colour. */
  part?: string;
  /** Marks the result of the sum. */
  total?: boolean;
  children: ReactNode;
}

export function Amount({ term, word, sign = "", part, total = false, children }: AmountProps) {
  return (
    <span className={total ? "entry entry-total" : "entry"}>
      {sign !== "" && <span className="sign">{sign}</span>}
      <span className="amount">
        <b>{children}</b>
        <span className="amount-word">
          {part !== undefined && <i className={`part part-${part}`} aria-hidden="true" />}
          <Term term={term}>{word}</Term>
        </span>
      </span>
    </span>
  );
}
