/** Top 10 programs and Others by requested bytes: a chart, and the same as a list. */
import { useMemo, useState } from "react";
import { percent } from "../lib/format";
import { routeHash } from "../lib/route";
import { cutMiddle, visibleName } from "../lib/visible";
import { useLive } from "../model/store";
import type { Share } from "../model/wire";
import { navigate } from "../ui/router";
import { Say } from "../ui/Say";
import { recalled, remember } from "../ui/memory";
import { useSettings } from "../ui/settings";
import { Bytes } from "../ui/Text";
import { Chart } from "./Chart";
import { shareOption, slicesOf, type ShareKind, type Slice } from "./shareOption";

const KINDS = ["treemap", "pie"] as const;

export function ShareChart({ share, seesRequests }: { share: Share; seesRequests: boolean }) {
  const { t } = useSettings();
  const [kind, setKind] = useState<ShareKind>(() => recalled("share", KINDS) ?? "treemap");
  const choose = (value: ShareKind) => {
    remember("share", value);
    setKind(value);
  };
  const isEmpty = share.total_bytes === 0;
  return (
    <section className="card share">
      <header className="card-head">
        <h2>{t("overview.share.title")}</h2>
        <span className="muted">{t("overview.share.since")}</span>
        <div className="choice" role="group" aria-label={t("overview.share.title")}>
          {KINDS.map((one) => (
            <button key={one} type="button" aria-pressed={one === kind} onClick={() => choose(one)}>
              {t(`overview.share.kinds.${one}`)}
            </button>
          ))}
        </div>
      </header>
      {!isEmpty && <Drawing share={share} kind={kind} />}
      {isEmpty && seesRequests && <Say what={t("overview.share.empty")} next={t("overview.share.emptyHint")} />}
      {isEmpty && !seesRequests && <Say what={t("overview.share.noSource")} next={t("overview.share.noSourceHint")} />}
    </section>
  );
}

function Drawing({ share, kind }: { share: Share; kind: ShareKind }) {
  const { t, theme, lang } = useSettings();
  const colours = useLive((state) => state.colours);
  const slices = useMemo(() => slicesOf(share, colours, theme, t), [share, colours, theme, t]);
  const option = useMemo(() => shareOption(slices, kind, theme, lang, t), [slices, kind, theme, lang, t]);
  const pick = (label: string) => {
    const slice = slices.find((one) => one.label === label);
    if (slice?.program) navigate(processesOf(slice.program));
  };
  return (
    <div className="share-body">
      <Chart option={option} testId="share-chart" onPick={pick} />
      <ol className="share-list">
        {slices.map((slice) => (
          <SliceLine key={slice.program ?? ""} slice={slice} />
        ))}
      </ol>
    </div>
  );
}

function processesOf(program: string): string {
  return routeHash({ view: "processes", query: { q: program, ended: "true" } });
}

function SliceLine({ slice }: { slice: Slice }) {
  const { lang } = useSettings();
  return (
    <li>
      <span className="swatch" style={{ background: slice.colour }} aria-hidden="true" />
      {slice.program === null ? (
        <span className="slice-name muted">{slice.label}</span>
      ) : (
        <a className="slice-name" href={processesOf(slice.program)}>
          <bdi title={visibleName(slice.program)}>{cutMiddle(visibleName(slice.program), 22)}</bdi>
        </a>
      )}
      <span className="number">
        <Bytes value={slice.bytes} />
      </span>
      <span className="number muted">{percent(slice.percent, lang)} %</span>
    </li>
  );
}
