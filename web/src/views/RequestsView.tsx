/**
 * All requests: the live stream, or a range of the history, with filters that are part of the
 * address.
 */
import { useMemo } from "react";
import { parseSize } from "../lib/format";
import { filterFromQuery, filterToHistory, filterToQuery, isFiltered, NO_FILTER, requestTest, type RequestFilter } from "../lib/requests";
import type { Route } from "../lib/route";
import { visible } from "../lib/visible";
import { useLive } from "../model/store";
import type { LiveState } from "../model/state";
import { CALLS } from "../model/wire";
import { replaceHash, useHref } from "../ui/router";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { RequestHistory } from "./RequestHistory";
import { RequestStream } from "./RequestStream";

export function RequestsView({ route: { query, time } }: { route: Route }) {
  const { t } = useSettings();
  const filter = useMemo(() => filterFromQuery(query), [query]);
  const test = useMemo(() => requestTest(filter), [filter]);
  const source = useLive((state) => state.live?.health.source);
  const fix = useLive(captureFix);
  const href = useHref();
  const change = (part: Partial<RequestFilter>) =>
    replaceHash(href({ view: "requests", query: filterToQuery({ ...filter, ...part }) }));

  if (source === "procfs") {
    return <Say what={t("requests.noSource")} next={t("requests.noSourceHint")} code={fix ?? "sudo memtap serve"} />;
  }
  return (
    <section className="list">
      <Filters filter={filter} onChange={change} />
      {time.kind === "live" ? (
        <RequestStream test={test} filtered={isFiltered(filter)} />
      ) : (
        <RequestHistory query={filterToHistory(filter)} shown={time} filtered={isFiltered(filter)} />
      )}
    </section>
  );
}

/** The fix in the notice about missing requests. Other notices have other causes. */
function captureFix(state: LiveState): string | undefined {
  return state.live?.health.notices.find((notice) => notice.what.startsWith("requests are not visible"))?.fix;
}

interface FiltersProps {
  filter: RequestFilter;
  onChange: (part: Partial<RequestFilter>) => void;
}

function Filters({ filter, onChange }: FiltersProps) {
  const { t } = useSettings();
  return (
    <div className="toolbar">
      <input
        type="search"
        data-search=""
        data-testid="request-filter-name"
        placeholder={`${t("requests.name")}  /`}
        aria-label={t("requests.name")}
        value={filter.name}
        onChange={(event) => onChange({ name: event.target.value })}
      />
      <CallFilter call={filter.call} onChange={onChange} />
      <SizeFilter size={filter.size} onChange={onChange} />
      <label className="check">
        <input
          type="checkbox"
          data-testid="request-filter-refused"
          checked={filter.refused}
          onChange={(event) => onChange({ refused: event.target.checked })}
        />
        {t("requests.refusedOnly")}
      </label>
      {isFiltered(filter) && (
        <button type="button" onClick={() => onChange(NO_FILTER)}>
          {t("requests.clear")}
        </button>
      )}
    </div>
  );
}

function CallFilter({ call, onChange }: { call: string; onChange: FiltersProps["onChange"] }) {
  const { t } = useSettings();
  // The address may contain a call that this page does not know.
  const calls = [...new Set<string>([...CALLS, call])].filter((one) => one !== "");
  return (
    <select
      data-testid="request-filter-call"
      aria-label={t("requests.call")}
      value={call}
      onChange={(event) => onChange({ call: event.target.value })}
    >
      <option value="">{t("requests.anyCall")}</option>
      {calls.map((one) => (
        <option key={one} value={one}>
          {visible(one)}
        </option>
      ))}
    </select>
  );
}

function SizeFilter({ size, onChange }: { size: string; onChange: FiltersProps["onChange"] }) {
  const { t } = useSettings();
  const isBad = size !== "" && parseSize(size) === null;
  return (
    <span className="field">
      <input
        type="text"
        className="size"
        data-testid="request-filter-size"
        placeholder={t("requests.minSize")}
        aria-label={t("requests.minSize")}
        aria-invalid={isBad}
        value={size}
        onChange={(event) => onChange({ size: event.target.value })}
      />
      {isBad && <span className="bad" role="alert">{t("requests.badSize")}</span>}
    </span>
  );
}
