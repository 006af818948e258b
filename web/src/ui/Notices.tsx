/** Problems that memtap found on this host, and how to fix each. */
import type { Notice } from "../model/wire";
import { visible } from "../lib/visible";
import { useSettings } from "./settings";
import { Code } from "./Text";

export function Notices({ notices }: { notices: readonly Notice[] }) {
  const { t } = useSettings();
  if (notices.length === 0) return null;
  return (
    <section className="notices" aria-label={t("health.notices")}>
      {notices.map((notice) => (
        <div className="notice" key={notice.what}>
          <p>{visible(notice.what)}</p>
          {notice.fix !== "" && (
            <p className="fix">
              <span>{t("health.fix")}</span> <Code text={notice.fix} />
            </p>
          )}
        </div>
      ))}
    </section>
  );
}
