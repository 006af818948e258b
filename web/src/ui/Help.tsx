/** The list of keys, opened by `?`. */
import { useEffect, useRef } from "react";
import { useSettings } from "./settings";

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { words } = useSettings();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);

  const keys: [string[], string][] = [
    [["/"], words.keys.search],
    [["↑", "↓"], words.keys.move],
    [["PgUp", "PgDn"], words.keys.page],
    [["Enter"], words.keys.open],
    [["Esc"], words.keys.close],
    [["Space"], words.keys.pause],
    [["1", "2", "3", "4"], words.keys.views],
    [["?"], words.keys.help],
  ];
  return (
    <dialog ref={dialog} className="help" onClose={onClose} aria-label={words.keys.title}>
      <h2>{words.keys.title}</h2>
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
        {words.close}
      </button>
    </dialog>
  );
}
