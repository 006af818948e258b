/**
 * Current limits of a process's memory: its own limits, those of its control group, and the
 * machine's.
 */
import type { ReactNode } from "react";
import { useOnce } from "../../live/once";
import type { Limits as Answered, ProcessId } from "../../model/wire";
import { useSettings } from "../../ui/settings";
import { ReadAt } from "../../ui/ReadAt";
import { Term } from "../../ui/Term";
import { Bytes, Count, Strange } from "../../ui/Text";
import { visible } from "../../lib/visible";

/** Usage from this part of a limit on is marked. */
const CLOSE = 0.9;

export function Limits({ id }: { id: ProcessId }) {
  const { t } = useSettings();
  const { data, readAt, problem } = useOnce<Answered>(`processes/${id.pid}/limits`, id.start_time);
  return (
    <section data-testid="limits">
      <h3>
        <Term term="limits">{t("process.limits.title")}</Term> <ReadAt time={readAt} />
      </h3>
      {problem !== null && <p className="bad">{t("process.pssFailed", { why: visible(problem) })}</p>}
      {data !== null && (
        <table className="calls">
          <thead>
            <tr>
              <th>{t("process.limits.what")}</th>
              <th className="number">{t("process.limits.used")}</th>
              <th className="number">{t("process.limits.limit")}</th>
            </tr>
          </thead>
          <tbody>
            {data.limits.map(({ name, used_bytes, soft_bytes, lifted }) => (
              <Row key={name} word={t(`process.limits.names.${name}`)} used={used_bytes} limit={lifted ? null : soft_bytes} amount={bytesOf} />
            ))}
            {data.mappings && <Row word={t("process.limits.mappings")} {...data.mappings} amount={countOf} />}
            {data.cgroup && (
              <Row word={<>{t("process.limits.group")} <Strange text={data.cgroup.path} limit={24} /></>} used={data.cgroup.used_bytes} limit={data.cgroup.limit_bytes} amount={bytesOf} />
            )}
            <Row word={t("process.limits.overcommit")} used={data.overcommit.committed_bytes} limit={data.overcommit.mode === 2 ? data.overcommit.limit_bytes : null} amount={bytesOf} />
          </tbody>
        </table>
      )}
    </section>
  );
}

interface RowProps {
  word: ReactNode;
  used: number | null;
  /** Null if there is no limit. */
  limit: number | null;
  amount: (value: number) => ReactNode;
}

function Row({ word, used, limit, amount }: RowProps) {
  const { t } = useSettings();
  const isClose = limit !== null && used !== null && used >= CLOSE * limit;
  return (
    <tr>
      <td>{word}</td>
      <td className={isClose ? "number bad" : "number"}>{used === null ? "–" : amount(used)}</td>
      <td className="number">{limit === null ? <span className="muted">{t("process.limits.none")}</span> : amount(limit)}</td>
    </tr>
  );
}

function bytesOf(value: number): ReactNode {
  return <Bytes value={value} />;
}

function countOf(value: number): ReactNode {
  return <Count value={value} />;
}
