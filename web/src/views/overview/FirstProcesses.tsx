/** The first processes of the table, with a link to the full table. */
import { useMemo, useState } from "react";
import { arranged, type Toggled } from "../../lib/arrange";
import { sortText, type Sort } from "../../lib/order";
import { findProcesses } from "../../lib/processes";
import { useTableRows } from "../../live/rows";
import { navigate, useHref, useIsLive } from "../../ui/router";
import { Say } from "../../ui/Say";
import { useSettings } from "../../ui/settings";
import { ProcessTable } from "../processes/ProcessTable";
import { ordinarySort, rememberedColumns, useColumns } from "../processes/query";

const FIRST = 15;
const NONE: Toggled = new Set();

export function FirstProcesses() {
  const { t } = useSettings();
  const href = useHref();
  const [chosen, setChosen] = useState<Sort | null>(null);
  const isLive = useIsLive();
  const sort = chosen ?? ordinarySort(isLive);
  const { rows, isAsking, isOld, problem } = useTableRows(sort);
  const shown = useMemo(() => findProcesses(rows, "", !isLive), [rows, isLive]);
  const lines = useMemo(() => arranged(shown, sort, "none", NONE).slice(0, FIRST), [shown, sort]);
  const columns = useColumns(useState(rememberedColumns)[0], rows);
  const isWaiting = isAsking || (isOld && rows.length === 0);
  return (
    <section className={`card first${isOld ? " list-old" : ""}`} aria-busy={isOld}>
      <header className="card-head">
        <h2>{t("processes.label")}</h2>
        <a className="card-more" href={href({ view: "processes", query: { sort: sortText(sort) } })}>
          {t("processes.all", { count: shown.length })}
        </a>
      </header>
      {lines.length > 0 ? (
        <ProcessTable
          whole
          {...{ lines, columns, sort }}
          onSort={setChosen}
          choice={sort}
          opened={null}
          onOpen={(process) => navigate(href({ view: "processes", process }))}
        />
      ) : (
        !isLive && <Say what={t(isWaiting ? "time.asking" : problem === null ? "time.nothing" : "time.failed")} next={problem ?? (isWaiting ? "" : t("time.nothingHint"))} />
      )}
    </section>
  );
}
