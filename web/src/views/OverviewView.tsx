/** At one glance: how much is asked for, by whom, and the first processes. */
import { useMemo, useState } from "react";
import { RateChart } from "../charts/RateChart";
import { ShareChart } from "../charts/ShareChart";
import { DEFAULT_SORT, found, sorted, sortText, type Sort } from "../lib/processes";
import { routeHash } from "../lib/route";
import { useLive } from "../model/store";
import { navigate } from "../ui/router";
import { useSettings } from "../ui/settings";
import { ProcessTable } from "./ProcessTable";

const FIRST = 15;

export function OverviewView() {
  const live = useLive((state) => state.live);
  if (live === null) return null;
  const seesRequests = live.health.source !== "procfs";
  return (
    <div className="overview">
      <RateChart seesRequests={seesRequests} />
      <ShareChart share={live.share} seesRequests={seesRequests} />
      <FirstProcesses />
    </div>
  );
}

function FirstProcesses() {
  const { t } = useSettings();
  const [sort, setSort] = useState<Sort>(DEFAULT_SORT);
  const processes = useLive((state) => state.processes);
  const alive = useMemo(() => sorted(found(processes.values(), "", false), sort), [processes, sort]);
  const rows = useMemo(() => alive.slice(0, FIRST), [alive]);
  return (
    <section className="card first">
      <header className="card-head">
        <h2>{t("processes.label")}</h2>
        <a className="card-more" href={routeHash({ view: "processes", query: { sort: sortText(sort) } })}>
          {t("processes.all", { count: alive.length })}
        </a>
      </header>
      <ProcessTable
        whole
        rows={rows}
        sort={sort}
        onSort={setSort}
        opened={null}
        onOpen={(process) => navigate(routeHash({ view: "processes", process }))}
      />
    </section>
  );
}
