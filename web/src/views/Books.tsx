/**
 * The account of one process as a sum: the opening size and every cause of a change make its
 * virtual size.
 */
import type { Term as TermName } from "../i18n";
import type { Process } from "../model/wire";
import { Amount } from "../ui/Amount";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes } from "../ui/Text";

interface Entry {
  sign: "" | "+" | "−";
  term: TermName;
  word: string;
  value: number;
}

export function Books({ process }: { process: Process }) {
  const { t } = useSettings();
  const entries: Entry[] = [
    { sign: "", term: "opening", word: t("process.opening"), value: process.opening_bytes },
    { sign: "+", term: "granted", word: t("process.granted"), value: process.granted_bytes },
    { sign: "−", term: "released", word: t("process.released"), value: process.released_bytes },
    { sign: "+", term: "exec", word: t("process.exec"), value: process.exec_bytes },
    { sign: "+", term: "stack", word: t("process.stack"), value: process.stack_bytes },
    { sign: "+", term: "kernel", word: t("process.kernel"), value: process.kernel_bytes },
    { sign: "+", term: "shared", word: t("process.shared"), value: process.shared_bytes },
    { sign: "+", term: "unexplained", word: t("process.unexplained"), value: process.unexplained_bytes },
    { sign: "−", term: "ended", word: t("process.atEnd"), value: process.ended_bytes },
  ];
  const sum = entries.reduce((total, { sign, value }) => (sign === "−" ? total - value : total + value), 0);
  const balances = sum === process.virtual_bytes;
  return (
    <section className="books">
      <h3>
        <Term term="ledger">{t("process.books")}</Term>
      </h3>
      <div className="sum">
        {entries.map((entry) => (
          <BookEntry key={entry.term} {...entry} />
        ))}
        <Amount sign="=" term="virtual" word={t("process.virtual")} total>
          <Bytes value={process.virtual_bytes} />
        </Amount>
      </div>
      <p className={balances ? "muted" : "bad"}>{balances ? t("process.balanced") : t("process.unbalanced")}</p>
    </section>
  );
}

/** A negative amount is written as a subtraction, not as `+ −`. */
function BookEntry({ sign, term, word, value }: Entry) {
  const isTurned = sign === "+" && value < 0;
  return (
    <Amount sign={isTurned ? "−" : sign} term={term} word={word}>
      <Bytes value={isTurned ? -value : value} />
    </Amount>
  );
}
