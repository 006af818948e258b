/** One sentence for somebody who sees a view for the first time. Dismissed, it does not come back. */
import { useState } from "react";
import type { HintOf } from "../i18n";
import { recalled, remember } from "./memory";
import { useSettings } from "./settings";

/**
 * A dismissed hint leaves its place empty until the reader goes elsewhere, so that nothing moves under the pointer.
 * Give it a `key` where one hint may follow another.
 */
export function Hint({ of }: { of: HintOf }) {
  const { t } = useSettings();
  const [wasKnown] = useState(() => recalled(`hint.${of}`, ["seen"]) !== null);
  const [isDismissed, setDismissed] = useState(false);
  if (wasKnown) return null;
  const dismiss = () => {
    remember(`hint.${of}`, "seen");
    setDismissed(true);
  };
  return (
    <aside className={isDismissed ? "hint hint-dismissed" : "hint"} data-testid="hint">
      <p>{t(`hints.${of}`)}</p>
      <button type="button" className="quiet" aria-label={t("frame.closeHint")} title={t("frame.closeHint")} onClick={dismiss}>
        ×
      </button>
    </aside>
  );
}
