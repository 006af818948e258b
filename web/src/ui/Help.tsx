/** The list of keyboard shortcuts, opened by `?`. */
import { useEffect, useRef } from "react";
import { useSettings } from "./settings";

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useSettings();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);

  const keys: [string[], string][] = [
    [["/"], t("frame.keys.search")],
    [["↑", "↓"], t("frame.keys.move")],
    [["PgUp", "PgDn"], t("frame.keys.page")],
    [["←", "→"], t("frame.keys.fold")],
    [["g"], t("frame.keys.group")],
    [["t"], t("frame.keys.tree")],
    [["Enter"], t("frame.keys.open")],
    [["Esc"], t("frame.keys.close")],
    [["Space"], t("frame.keys.pause")],
    [["1", "2", "3", "4", "5"], t("frame.keys.views")],
    [["?"], t("frame.keys.help")],
  ];
  return (
    <dialog ref={dialog} className="help" onClose={onClose} aria-label={t("frame.keys.title")}>
      <h2>{t("frame.keys.title")}</h2>
      <dl>
        {keys.map(([names, meaning]) => (
          <div key={meaning}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={onClose}>
        {t("frame.close")}
      </button>
    </dialog>
  );
}
