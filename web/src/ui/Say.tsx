/** Message of a view that has nothing to show: the situation, and what to do next. */
import type { ReactNode } from "react";
import { Code } from "./Text";

interface SayProps {
  what: string;
  next: string;
  code?: string | undefined;
  children?: ReactNode;
}

export function Say({ what, next, code, children }: SayProps) {
  return (
    <div className="say" role="status">
      <p className="say-what">{what}</p>
      <p>{next}</p>
      {code !== undefined && <Code text={code} />}
      {children}
    </div>
  );
}
