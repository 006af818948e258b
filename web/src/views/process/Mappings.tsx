/**
 * Current mappings of a process by class, and the files with the most resident memory. The kernel
 * walks all its pages for them, so they are read only once.
 */
import { Strange, Bytes, Count } from "../../ui/Text";
import { useOnce } from "../../live/once";
import type { Mappings as Answered, ProcessId } from "../../model/wire";
import { useSettings } from "../../ui/settings";
import { ReadAt } from "../../ui/ReadAt";
import { Term } from "../../ui/Term";
import { visible } from "../../lib/visible";

const FILES = 12;

export function Mappings({ id }: { id: ProcessId }) {
  const { t } = useSettings();
  const { data, readAt, problem, again } = useOnce<Answered>(`processes/${id.pid}/mappings`, id.start_time);
  return (
    <section data-testid="mappings">
      <h3>
        <Term term="mappings">{t("process.mappings.title")}</Term>{" "}
        <button type="button" className="quiet" onClick={again}>
          {t("process.askAgain")}
        </button>{" "}
        <ReadAt time={readAt} />
      </h3>
      {problem !== null && <p className="bad">{t("process.pssFailed", { why: visible(problem) })}</p>}
      {data !== null && (
        <table className="calls mappings">
          <thead>
            <tr>
              <th>{t("process.mappings.what")}</th>
              <th className="number">{t("process.count")}</th>
              <th className="number">{t("process.virtual")}</th>
              <th className="number">{t("process.resident")}</th>
            </tr>
          </thead>
          <tbody>
            {data.classes.map((one) => (
              <Row key={one.class} name={t(`process.mappings.classes.${one.class}`)} sum={one} />
            ))}
            <Row name={t("process.mappings.total")} sum={data.total} isTotal />
            {data.files.slice(0, FILES).map((file) => (
              <Row key={file.name} name={file.name} sum={file} />
            ))}
          </tbody>
        </table>
      )}
      {data !== null && data.files.length + data.more_files > FILES && (
        <p className="muted">{t("process.mappings.more", { count: data.files.length + data.more_files - FILES })}</p>
      )}
    </section>
  );
}

function Row({ name, sum, isTotal = false }: { name: string; sum: Answered["total"]; isTotal?: boolean }) {
  return (
    <tr className={isTotal ? "total" : ""}>
      <td><Strange text={name} limit={40} /></td>
      <td className="number"><Count value={sum.mappings} /></td>
      <td className="number"><Bytes value={sum.virtual_bytes} /></td>
      <td className="number">{sum.resident_bytes === null ? "–" : <Bytes value={sum.resident_bytes} />}</td>
    </tr>
  );
}
