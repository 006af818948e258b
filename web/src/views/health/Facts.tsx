/** A card of facts. */
import type { ReactNode } from "react";

/** One line of a card: a name, a value, and whether the value is bad. */
export interface Fact {
  name: ReactNode;
  value: ReactNode;
  bad?: boolean;
}

export function Facts({ title, facts }: { title: ReactNode; facts: readonly Fact[] }) {
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="facts">
        {facts.map((fact, i) => (
          // The facts of a card are always the same ones in the same order.
          // oxlint-disable-next-line react/no-array-index-key
          <div key={i}>
            <dt>{fact.name}</dt>
            <dd className={fact.bad ? "bad" : ""}>{fact.value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
