/** One line of the log. */
import { memo } from "react";
import { clockMs } from "../lib/format";
import { cutMiddle, visible, visibleName } from "../lib/visible";
import { meaningOf, type Translate } from "../i18n";
import type { StreamItem } from "../model/stream";
import type { MemoryRequest } from "../model/wire";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes, ProgramName, Strange } from "../ui/Text";

export function StreamHead() {
  const { t } = useSettings();
  return (
    <div className="log-head">
      <span>{t("requests.time")}</span>
      <span>{t("requests.process")}</span>
      <span className="number">{t("requests.pid")}</span>
      <span><Term term="call">{t("requests.call")}</Term></span>
      <span className="number"><Term term="requested">{t("requests.size")}</Term></span>
      <span className="number"><Term term="delta">{t("requests.delta")}</Term></span>
      <span><Term term="outcome">{t("requests.result")}</Term></span>
      <span>{t("requests.address")}</span>
      <span>{t("requests.arguments")}</span>
    </div>
  );
}

export const RequestRow = memo(function RequestRow({ item, top }: { item: StreamItem; top: number }) {
  const place = { transform: `translateY(${top}px)` };
  if (item.kind === "request") return <Line request={item.request} place={place} />;
  return <Remark item={item} place={place} />;
});

type RemarkItem = Exclude<StreamItem, { kind: "request" }>;

function Remark({ item, place }: { item: RemarkItem; place: { transform: string } }) {
  const { t } = useSettings();
  const text = remarkText(item, t);
  const lost = item.kind === "lost" ? " log-lost" : "";
  return (
    <div className={`log-row log-remark${lost}`} style={place} data-testid={`stream-${item.kind}`}>
      <span>{clockMs(item.time)}</span>
      <span className="remark" title={text}>{text}</span>
    </div>
  );
}

function remarkText(item: RemarkItem, t: Translate): string {
  switch (item.kind) {
    case "gap":
      return t("requests.gap");
    case "skipped":
      return t("requests.skipped", { count: item.count, span: t("requests.span", { count: item.seconds }) });
    case "lost":
      return t("requests.lost", { count: item.count, name: cutMiddle(visibleName(item.owner.process_name), 32) });
  }
}

function Line({ request, place }: { request: MemoryRequest; place: { transform: string } }) {
  const { t } = useSettings();
  const refused = request.errno !== null;
  return (
    <div
      className={refused ? "log-row log-refused" : "log-row"}
      style={place}
      data-testid="request-row"
      data-pid={request.pid}
      data-call={request.call}
      data-size={request.memory_size}
      data-errno={request.errno ?? ""}
    >
      <time className="l-time" dateTime={request.timestamp} title={request.timestamp}>{clockMs(request.timestamp)}</time>
      <span className="l-name"><ProgramName name={request.process_name} limit={20} /></span>
      <span className="l-pid number">{request.pid}</span>
      <span className="l-call" title={request.call}>{visible(request.call)}</span>
      <span className="l-size number"><Bytes value={request.memory_size} /></span>
      <span className="l-delta number"><Bytes value={request.delta_bytes} signed /></span>
      <span className={refused ? "l-result bad" : "l-result muted"} title={meaningOf(t, "errors", request.error ?? "")}>
        {refused ? visible(request.error ?? `errno ${request.errno}`) : t("requests.granted")}
      </span>
      <span className="l-address">{visible(request.address)}</span>
      <span className="l-arguments">
        <span className="muted"><Strange text={request.arguments} limit={120} /></span>
        {request.file !== null && <span className="l-file"><Strange text={request.file} /></span>}
      </span>
    </div>
  );
}
