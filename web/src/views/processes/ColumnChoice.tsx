/** Selects the columns of the table in a list of checkboxes. */
import { useRef, useState, type KeyboardEvent } from "react";
import { COLUMNS, toggled, type Column } from "../../lib/columns";
import { useCloseOutside } from "../../ui/outside";
import { useSettings } from "../../ui/settings";

interface ChoiceProps {
  shown: readonly Column[];
  /** The user has chosen the columns. */
  isChosen: boolean;
  /** Null restores the default columns. */
  onChoose: (columns: readonly Column[] | null) => void;
}

export function ColumnChoice({ shown, isChosen, onChoose }: ChoiceProps) {
  const { t } = useSettings();
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useCloseOutside(box, open, () => setOpen(false));
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !open) return;
    event.preventDefault();
    setOpen(false);
    button.current?.focus();
  };
  return (
    // Escape closes the list from anywhere in it.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div ref={box} className="columns" role="group" aria-label={t("processes.chooseColumns")} onKeyDown={escape}>
      <button ref={button} type="button" data-testid="columns-open" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t("processes.chooseColumns")} <span aria-hidden="true">▾</span>
      </button>
      {open && (
        <div className="columns-list" data-testid="columns">
          {COLUMNS.filter((column) => column !== "name").map((column) => (
            <label key={column} className="check">
              <input type="checkbox" name={column} checked={shown.includes(column)} onChange={() => onChoose(toggled(shown, column))} />
              {t(`processes.columns.${column}`)}
            </label>
          ))}
          <button type="button" disabled={!isChosen} onClick={() => onChoose(null)}>
            {t("processes.ordinaryColumns")}
          </button>
        </div>
      )}
    </div>
  );
}
