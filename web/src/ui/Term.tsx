/**
 * A term with a dotted underline. The pointer or the keyboard focus shows its meaning in one
 * sentence.
 */
import { useState, type KeyboardEvent, type ReactNode, type SyntheticEvent } from "react";
import { createPortal } from "react-dom";
import type { Term as TermName } from "../i18n";
import { useSettings } from "./settings";

const MARGIN = 8;
const WIDTH = 280;

interface Place {
  left: number;
  top: number;
  above: boolean;
}

/** Attributes for an element with a tooltip, and the tooltip to render beside it. */
export function useTip(text: string) {
  const [place, setPlace] = useState<Place | null>(null);
  const show = (event: SyntheticEvent<HTMLElement>) => setPlace(placeAt(event.currentTarget.getBoundingClientRect()));
  const hide = () => setPlace(null);
  const attributes = {
    onPointerEnter: show,
    onFocus: show,
    onPointerLeave: hide,
    onBlur: hide,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === "Escape") hide();
    },
    "aria-description": text,
  };
  return { attributes, tip: place && <Tip place={place} text={text} /> };
}

function placeAt(anchor: DOMRect): Place {
  const left = Math.max(MARGIN, Math.min(anchor.left, innerWidth - WIDTH - MARGIN));
  const above = anchor.bottom > innerHeight - 100;
  return { left, top: above ? anchor.top - 4 : anchor.bottom + 4, above };
}

function Tip({ place, text }: { place: Place; text: string }) {
  const style = { left: place.left, top: place.top, maxWidth: WIDTH };
  return createPortal(
    <div className={place.above ? "tip tip-above" : "tip"} style={style} role="tooltip">
      {text}
    </div>,
    document.body,
  );
}

export function Term({ term, children }: { term: TermName; children: ReactNode }) {
  const { t } = useSettings();
  const { attributes, tip } = useTip(t(`meanings.terms.${term}`));
  return (
    // A term can have the focus, so that keyboard users can read its meaning.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <span className="term" tabIndex={0} {...attributes}>
      {children}
      {tip}
    </span>
  );
}
