/** Small pieces of text: names, amounts, code. */
import { useState } from "react";
import { bytes, count, exactBytes, signedBytes } from "../lib/format";
import { programColour } from "../lib/palette";
import { cutMiddle, visible, visibleName } from "../lib/visible";
import { useLive } from "../model/store";
import { useSettings } from "./settings";

/**
 * Untrusted text with escaped control characters, shortened in the middle. A tooltip shows the
 * whole text.
 */
export function Strange({ text, limit = 48 }: { text: string; limit?: number }) {
  return <Cut whole={visible(text)} limit={limit} />;
}

function Cut({ whole, limit }: { whole: string; limit: number }) {
  return <bdi title={whole}>{cutMiddle(whole, limit)}</bdi>;
}

/** A program's name with its colour in the charts, if it has one. */
export function ProgramName({ name, limit = 24 }: { name: string; limit?: number }) {
  const { theme } = useSettings();
  const colour = programColour(
    useLive((state) => state.colours),
    name,
    theme,
  );
  return (
    <span className="program">
      <span className="swatch" style={{ background: colour ?? "transparent" }} aria-hidden="true" />
      <Cut whole={visibleName(name)} limit={limit} />
    </span>
  );
}

export function Bytes({ value, signed = false }: { value: number; signed?: boolean }) {
  const { lang } = useSettings();
  return <span title={exactBytes(value, lang)}>{signed ? signedBytes(value, lang) : bytes(value, lang)}</span>;
}

export function Count({ value }: { value: number }) {
  const { lang } = useSettings();
  return <>{count(value, lang)}</>;
}

/** A command with a button to copy it, if the browser allows that. */
export function Code({ text }: { text: string }) {
  return (
    <span className="code">
      <code>{visible(text)}</code>
      <CopyButton text={text} />
    </span>
  );
}

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { t } = useSettings();
  const [done, setDone] = useState(false);
  if (!("clipboard" in navigator)) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="quiet" onClick={() => void copy()}>
      <span aria-live="polite">{done ? t("frame.copied") : (label ?? t("frame.copy"))}</span>
    </button>
  );
}
