/** One line of the log. */
import { memo } from "react";
import { clockMs, count, type Lang } from "../lib/format";
import { cutMiddle, visible, visibleName } from "../lib/visible";
import type { Words } from "../i18n/en";
import type { StreamItem } from "../model/stream";
import type { MemoryRequest } from "../model/wire";
import { useSettings } from "../ui/settings";
import { Term } from "../ui/Term";
import { Bytes, ProgramName, Strange } from "../ui/Text";

export function StreamHead() {
  const { words } = useSettings();
  const names = words.stream;
  return (
    <div className="log-head">
      <span>{names.time}</span>
      <span>{names.process}</span>
      <span className="number">{names.pid}</span>
      <span><Term term="call">{names.call}</Term></span>
      <span className="number"><Term term="requested">{names.size}</Term></span>
      <span className="number"><Term term="delta">{names.delta}</Term></span>
      <span><Term term="outcome">{names.result}</Term></span>
      <span>{names.address}</span>
      <span>{names.arguments}</span>
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
  const { words, lang } = useSettings();
  const text = remarkText(item, words, lang);
  const lost = item.kind === "lost" ? " log-lost" : "";
  return (
    <div className={`log-row log-remark${lost}`} style={place} data-testid={`stream-${item.kind}`}>
      <span>{clockMs(item.time)}</span>
      <span className="remark" title={text}>{text}</span>
    </div>
  );
}

function remarkText(item: RemarkItem, { stream }: Words, lang: Lang): string {
  switch (item.kind) {
    case "gap":
      return stream.gap;
    case "skipped":
      return stream.skipped(count(item.count, lang), item.seconds);
    case "lost":
      return stream.lost(count(item.count, lang), cutMiddle(visibleName(item.owner.process_name), 32));
  }
}

function Line({ request, place }: { request: MemoryRequest; place: { transform: string } }) {
  const { words } = useSettings();
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
      <span className={refused ? "l-result bad" : "l-result muted"} title={words.errors[request.error ?? ""]}>
        {refused ? visible(request.error ?? `errno ${request.errno}`) : words.stream.granted}
      </span>
      <span className="l-address">{visible(request.address)}</span>
      <span className="l-arguments">
        <span className="muted"><Strange text={request.arguments} limit={120} /></span>
        {request.file !== null && <span className="l-file"><Strange text={request.file} /></span>}
      </span>
    </div>
  );
}
