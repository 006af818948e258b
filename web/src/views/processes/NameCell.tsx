/** The first cell of a line: its indentation, a button for its children, its name, and its end. */
import type { MouseEvent } from "react";
import { clock } from "../../lib/format";
import { ProgramName, Strange } from "../../ui/Text";
import type { CellContext } from "./columns";
import type { LineProps } from "./ProcessRow";

/** Deeper levels are not indented further, because the name needs space. */
const DEEPEST = 9;
const INDENT = 14;

export function NameCell({ row, level, open, members, context, onToggle }: LineProps) {
  const { t } = context.settings;
  const isFolded = context.grouping !== "none";
  const fold = (event: MouseEvent) => {
    event.stopPropagation();
    onToggle(row.key);
  };
  return (
    <>
      {isFolded && <span className="indent" style={{ width: Math.min(level - 1, DEEPEST) * INDENT }} aria-hidden="true" />}
      {isFolded && open !== null && (
        // The left and right keys do the same, and `aria-expanded` of the row has the state.
        <button type="button" className="fold" tabIndex={-1} aria-label={t(open ? "processes.fold" : "processes.unfold")} onClick={fold}>
          {open ? "▾" : "▸"}
        </button>
      )}
      {isFolded && open === null && <span className="fold" aria-hidden="true" />}
      {members === null ? <ProgramName name={row.name} limit={22} /> : <GroupName name={row.name} members={members} context={context} />}
      {row.end_time !== null && members === null && (
        <span className="ended-at" title={row.end_time}>
          {t("processes.endedAt", { time: clock(row.end_time) })}
        </span>
      )}
    </>
  );
}

function GroupName({ name, members, context: { settings, grouping } }: { name: string; members: number; context: CellContext }) {
  const { t } = settings;
  return (
    <>
      {grouping === "program" && <ProgramName name={name} limit={22} />}
      {grouping !== "program" && (name === "" ? <span className="muted">{t("processes.ungrouped")}</span> : <Strange text={name} limit={26} />)}
      <span className="members" title={t("processes.shown", { count: members })}>
        {t("processes.members", { members })}
      </span>
    </>
  );
}
