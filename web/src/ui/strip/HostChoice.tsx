/**
 * Selects the host that the page shows, or all hosts. It is a plain item of the strip while the
 * store knows only memtap's own host.
 */
import { useAlways } from "../../live/history";
import { ALL_HOSTS } from "../../lib/route";
import { visible } from "../../lib/visible";
import type { HostList } from "../../model/history";
import { useLive } from "../../model/store";
import { useGoTo, useHref, useRoute } from "../router";
import { useSettings } from "../settings";
import { Stat } from "./Stat";

export function HostChoice() {
  const { t } = useSettings();
  const { host } = useRoute();
  const href = useHref();
  const goTo = useGoTo();
  const own = useLive((state) => state.live?.host.hostname ?? "");
  const hasHistory = useLive((state) => state.live?.health.store.kind !== "none");
  const known = useAlways<HostList>(hasHistory ? "hosts" : null)?.hosts.map((one) => one.hostname) ?? [];
  // Rows without a host name appear only among all hosts.
  const strangers = known.filter((name) => name !== own);
  const others = [...new Set([...strangers, ...(host === null || host === ALL_HOSTS ? [] : [host])])].filter((name) => name !== "");
  if (strangers.length === 0 && host === null) {
    return <Stat href={href({ view: "health" })} value={visible(own)} label={t("strip.host")} />;
  }
  return (
    <label className="stat">
      <select data-testid="host" value={host ?? ""} onChange={(event) => goTo({ host: event.target.value || null })}>
        <option value="">{visible(own)}</option>
        {others.map((name) => (
          <option key={name} value={name}>
            {visible(name)}
          </option>
        ))}
        <option value={ALL_HOSTS}>{t("strip.allHosts")}</option>
      </select>
      <span className="stat-label">{t("strip.host")}</span>
    </label>
  );
}
