/** The first processes of the table, with a link to all. */
import { useMemo, useState } from "react";
import { DEFAULT_SORT, found, sorted, sortText, type Sort } from "../../lib/processes";
import { useLive } from "../../model/store";
import { navigate, useHref } from "../../ui/router";
import { useSettings } from "../../ui/settings";
import { ProcessTable } from "../ProcessTable";

const FIRST = 15;

export function FirstProcesses() {
  const { t } = useSettings();
  const href = useHref();
  const [sort, setSort] = useState<Sort>(DEFAULT_SORT);
  const processes = useLive((state) => state.processes);
  const alive = useMemo(() => sorted(found(processes.values(), "", false), sort), [processes, sort]);
  const rows = useMemo(() => alive.slice(0, FIRST), [alive]);
  return (
    <section className="card first">
      <header className="card-head">
        <h2>{t("processes.label")}</h2>
        <a className="card-more" href={href({ view: "processes", query: { sort: sortText(sort) } })}>
          {t("processes.all", { count: alive.length })}
        </a>
      </header>
      <ProcessTable
        whole
        rows={rows}
        sort={sort}
        onSort={setSort}
        opened={null}
        onOpen={(process) => navigate(href({ view: "processes", process }))}
      />
    </section>
  );
}
