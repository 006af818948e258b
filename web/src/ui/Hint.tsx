/** A hint of one sentence for the first visit of a view. A dismissed hint does not come back. */
import { useState } from "react";
import type { HintTopic } from "../i18n";
import { recalled, remember } from "./memory";
import { useSettings } from "./settings";

/**
 * A dismissed hint keeps its space until the user leaves the view, so that nothing moves under the
 * pointer. Set a `key` where one hint may replace another.
 */
export function Hint({ topic }: { topic: HintTopic }) {
  const { t } = useSettings();
  const [wasKnown] = useState(() => recalled(`hint.${topic}`, ["seen"]) !== null);
  const [isDismissed, setDismissed] = useState(false);
  if (wasKnown) return null;
  const dismiss = () => {
    remember(`hint.${topic}`, "seen");
    setDismissed(true);
  };
  return (
    <aside className={isDismissed ? "hint hint-dismissed" : "hint"} data-testid="hint">
      <p>{t(`hints.${topic}`)}</p>
      <button type="button" className="quiet" aria-label={t("frame.closeHint")} title={t("frame.closeHint")} onClick={dismiss}>
        ×
      </button>
    </aside>
  );
}
