/** A number with its label, and a link to the view that explains it. */
import type { ReactNode } from "react";

interface StatProps {
  href: string;
  value: ReactNode;
  label: ReactNode;
  bad?: boolean;
  /** Word beside a bad number. */
  warning?: string | undefined;
  title?: string;
  testId?: string;
}

export function Stat(props: StatProps) {
  return (
    <div className={props.bad || props.warning ? "stat stat-bad" : "stat"} data-testid={props.testId} title={props.title}>
      <a href={props.href}>{props.value}</a>
      <span className="stat-label">
        {props.label}
        {props.warning && <b> · {props.warning}</b>}
      </span>
    </div>
  );
}
