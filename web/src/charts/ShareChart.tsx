/**
 * Top 10 programs and Others, as a chart and as a list. Covers the selected time, or the time since
 * memtap started if there is no history.
 */
import { useMemo, useState } from "react";
import { percent } from "../lib/format";
import { cutMiddle, visibleName } from "../lib/visible";
import type { Answer } from "../live/history";
import type { Programs } from "../model/history";
import { useLive } from "../model/store";
import type { Share } from "../model/wire";
import { Choice } from "../ui/Choice";
import { useHref } from "../ui/router";
import { Say } from "../ui/Say";
import { recalled, remember } from "../ui/memory";
import { useSettings } from "../ui/settings";
import { Bytes } from "../ui/Text";
import { SHARE_MEASURES, type ShareMeasure } from "../views/overview/measures";
import { Waiting } from "../views/overview/Waiting";
import { ShareDrawing, type ShareKind } from "./ShareDrawing";
import { shareOf, slicesOf, type Slice } from "./slices";

const KINDS = ["treemap", "pie"] as const;

interface Props {
  /** Null if there is no history. */
  answer: Answer<Programs> | null;
  sinceStart: Share;
  measure: ShareMeasure;
  onMeasure: (measure: ShareMeasure) => void;
  seesRequests: boolean;
}

export function ShareChart({ answer, sinceStart, measure, onMeasure, seesRequests }: Props) {
  const { t } = useSettings();
  const [kind, setKind] = useState<ShareKind>(() => recalled("share", KINDS) ?? "treemap");
  const choose = (value: ShareKind) => {
    remember("share", value);
    setKind(value);
  };
  const share = useMemo(
    () => (answer === null ? sinceStart : answer.data && shareOf(answer.data)),
    [answer, sinceStart],
  );
  return (
    <section className="card share">
      <header className="card-head">
        <h2>{t(`overview.share.titles.${answer === null ? "requested" : measure}`)}</h2>
        {answer === null ? (
          <span className="muted">{t("overview.share.since")}</span>
        ) : (
          <Choice
            label={t("overview.share.by")}
            value={measure}
            options={SHARE_MEASURES.map((one) => [one, t(`overview.share.measures.${one}`)])}
            onChoose={onMeasure}
          />
        )}
        <Choice
          label={t("overview.share.kind")}
          value={kind}
          options={KINDS.map((one) => [one, t(`overview.share.kinds.${one}`)])}
          onChoose={choose}
        />
      </header>
      {share !== null && share.total_bytes > 0 && <Drawing share={share} kind={kind} />}
      {share === null && answer !== null && <Waiting answer={answer} />}
      {share?.total_bytes === 0 &&
        (seesRequests ? (
          <Say what={t("overview.share.empty")} next={t("overview.share.emptyHint")} />
        ) : (
          <Say what={t("overview.share.noSource")} next={t("overview.share.noSourceHint")} />
        ))}
    </section>
  );
}

function Drawing({ share, kind }: { share: Share; kind: ShareKind }) {
  const { t, theme } = useSettings();
  const open = useOpenProgram();
  const colours = useLive((state) => state.colours);
  const slices = useMemo(() => slicesOf(share, colours, theme, t), [share, colours, theme, t]);
  return (
    <div className="share-body">
      <ShareDrawing {...{ slices, kind, open }} />
      <ol className="share-list">
        {slices.map((slice) => (
          <SliceLine key={slice.program ?? ""} slice={slice} />
        ))}
      </ol>
    </div>
  );
}

function useOpenProgram(): (program: string) => string {
  const href = useHref();
  return (program) => href({ view: "processes", query: { q: program, ended: "true" } });
}

function SliceLine({ slice }: { slice: Slice }) {
  const { lang } = useSettings();
  const open = useOpenProgram();
  return (
    <li>
      <span className="swatch" style={{ background: slice.colour }} aria-hidden="true" />
      {slice.program === null ? (
        <span className="slice-name muted">{slice.label}</span>
      ) : (
        <a className="slice-name" href={open(slice.program)}>
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
