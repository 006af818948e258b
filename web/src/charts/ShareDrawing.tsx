/**
 * Slices as a treemap or a ring. They are elements of the page, so that each is a link and each
 * name is ordinary text.
 */
import { bytes, percent } from "../lib/format";
import { inkOn } from "../lib/palette";
import { tiles, type Tile } from "../lib/treemap";
import { cutMiddle } from "../lib/visible";
import { useSettings } from "../ui/settings";
import type { Slice } from "./slices";

export type ShareKind = "treemap" | "pie";

interface Props {
  slices: readonly Slice[];
  kind: ShareKind;
  /** Returns the link of a program's slice. */
  open: (program: string) => string;
}

/** Approximate ratio of width to height. The tiles need not be exact squares. */
const ASPECT = 1.5;
/** Minimum width and height of a tile with text, as a part of the whole. */
const LEGIBLE = 0.15;
/** Gap between the arcs of the ring, in percent of its length. */
const GAP = 0.4;
const NOWHERE: Tile = { left: 0, top: 0, width: 0, height: 0 };

export function ShareDrawing({ slices, kind, open }: Props) {
  const { t } = useSettings();
  const list = slices.map(useSliceText()).join("; ");
  return (
    <div className={`chart share-${kind}`} data-testid="share-chart" role="group" aria-label={t("overview.share.aria", { list })}>
      {kind === "treemap" ? <Treemap slices={slices} open={open} /> : <Ring slices={slices} open={open} />}
    </div>
  );
}

function Treemap({ slices, open }: Omit<Props, "kind">) {
  const { lang } = useSettings();
  const describe = useSliceText();
  const places = tiles(slices.map((slice) => slice.bytes), ASPECT);
  return slices.map((slice, i) => {
    const { left, top, width, height } = places[i] ?? NOWHERE;
    const [background, color] = [slice.colour, inkOn(slice.colour)];
    const style = { left: cssPercent(left), top: cssPercent(top), width: cssPercent(width), height: cssPercent(height), background, color };
    const text = width > LEGIBLE && height > LEGIBLE && (
      <>
        <bdi>{cutMiddle(slice.label, 24)}</bdi>
        <span>{bytes(slice.bytes, lang)}</span>
      </>
    );
    const tile = { className: "tile", title: describe(slice), style, children: text };
    // A tile with text needs no label.
    const name = text === false ? describe(slice) : undefined;
    return slice.program === null ? <span key="" {...tile} /> : <a key={`=${slice.program}`} href={open(slice.program)} tabIndex={-1} aria-label={name} {...tile} />;
  });
}

/**
 * Draws each slice as a circle with a path length of 100, of which only the slice's part is
 * visible.
 */
function Ring({ slices, open }: Omit<Props, "kind">) {
  const describe = useSliceText();
  const before = (i: number) => slices.slice(0, i).reduce((sum, slice) => sum + slice.percent, 0);
  return (
    <svg viewBox="-50 -50 100 100">
      {slices.map((slice, i) => {
        const arc = (
          <circle r="36" pathLength="100" stroke={slice.colour} strokeDasharray={`${Math.max(0.1, slice.percent - GAP)} 100`} strokeDashoffset={-before(i)}>
            <title>{describe(slice)}</title>
          </circle>
        );
        return slice.program === null ? (
          <g key="">{arc}</g>
        ) : (
          <a key={`=${slice.program}`} href={open(slice.program)} tabIndex={-1} aria-label={describe(slice)}>
            {arc}
          </a>
        );
      })}
    </svg>
  );
}

function useSliceText(): (slice: Slice) => string {
  const { lang } = useSettings();
  return ({ label, bytes: size, percent: share }) => `${cutMiddle(label, 40)}: ${bytes(size, lang)} · ${percent(share, lang)} %`;
}

function cssPercent(part: number): string {
  return `${(100 * part).toFixed(3)}%`;
}
