/** One line of the log. */
import { memo } from "react";
import { clockMs, count } from "../lib/format";
import { visible } from "../lib/visible";
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

function Remark({ item, place }: { item: Exclude<StreamItem, { kind: "request" }>; place: { transform: string } }) {
  const { words, lang } = useSettings();
  const text = item.kind === "gap" ? words.stream.gap : words.stream.skipped(count(item.count, lang), item.seconds);
  return (
    <div className="log-row log-remark" style={place} data-testid={`stream-${item.kind}`}>
      <span>{clockMs(item.time)}</span>
      <span className="remark" title={text}>{text}</span>
    </div>
  );
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
      <span className="l-call">{visible(request.call)}</span>
      <span className="l-size number"><Bytes value={request.memory_size} /></span>
      <span className="l-delta number"><Bytes value={request.delta_bytes} signed /></span>
      <span className={refused ? "l-result bad" : "l-result muted"}>
        {refused ? visible(request.error ?? `errno ${request.errno}`) : words.stream.granted}
      </span>
      <span className="l-address">{visible(request.address)}</span>
      <span className="l-arguments muted"><Strange text={request.arguments} limit={120} /></span>
    </div>
  );
}
