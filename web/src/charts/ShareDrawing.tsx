/** Slices as areas or as a ring: elements of the page, so that each is a link and its name is a text like any other. */
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
  /** Where a program's slice leads. */
  open: (program: string) => string;
}

/** How much wider than high it is drawn, nearly: squares need not be exact. */
const ASPECT = 1.5;
/** Words are left out of tiles that are smaller than this part of the whole. */
const LEGIBLE = 0.15;
/** Between the arcs of the ring, in hundredths of it. */
const GAP = 0.4;
const NOWHERE: Tile = { left: 0, top: 0, width: 0, height: 0 };

export function ShareDrawing({ slices, kind, open }: Props) {
  const { t } = useSettings();
  const list = slices.map(useTold()).join("; ");
  return (
    <div className={`chart share-${kind}`} data-testid="share-chart" role="group" aria-label={t("overview.share.aria", { list })}>
      {kind === "treemap" ? <Treemap slices={slices} open={open} /> : <Ring slices={slices} open={open} />}
    </div>
  );
}

function Treemap({ slices, open }: Omit<Props, "kind">) {
  const { lang } = useSettings();
  const told = useTold();
  const places = tiles(slices.map((slice) => slice.bytes), ASPECT);
  return slices.map((slice, i) => {
    const { left, top, width, height } = places[i] ?? NOWHERE;
    const [background, color] = [slice.colour, inkOn(slice.colour)];
    const style = { left: part(left), top: part(top), width: part(width), height: part(height), background, color };
    const text = width > LEGIBLE && height > LEGIBLE && (
      <>
        <bdi>{cutMiddle(slice.label, 24)}</bdi>
        <span>{bytes(slice.bytes, lang)}</span>
      </>
    );
    const tile = { className: "tile", title: told(slice), style, children: text };
    // Where there are words, they are its name.
    const name = text === false ? told(slice) : undefined;
    return slice.program === null ? <span key="" {...tile} /> : <a key={`=${slice.program}`} href={open(slice.program)} tabIndex={-1} aria-label={name} {...tile} />;
  });
}

/** Circles of a hundred parts, of each of which only its own part is drawn. */
function Ring({ slices, open }: Omit<Props, "kind">) {
  const told = useTold();
  const before = (i: number) => slices.slice(0, i).reduce((sum, slice) => sum + slice.percent, 0);
  return (
    <svg viewBox="-50 -50 100 100">
      {slices.map((slice, i) => {
        const arc = (
          <circle r="36" pathLength="100" stroke={slice.colour} strokeDasharray={`${Math.max(0.1, slice.percent - GAP)} 100`} strokeDashoffset={-before(i)}>
            <title>{told(slice)}</title>
          </circle>
        );
        return slice.program === null ? (
          <g key="">{arc}</g>
        ) : (
          <a key={`=${slice.program}`} href={open(slice.program)} tabIndex={-1} aria-label={told(slice)}>
            {arc}
          </a>
        );
      })}
    </svg>
  );
}

function useTold(): (slice: Slice) => string {
  const { lang } = useSettings();
  return ({ label, bytes: size, percent: share }) => `${cutMiddle(label, 40)}: ${bytes(size, lang)} · ${percent(share, lang)} %`;
}

function part(of: number): string {
  return `${(100 * of).toFixed(3)}%`;
}
