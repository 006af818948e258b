/** Stored requests of a range, the newest first. Scrolling down loads older ones. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef } from "react";
import type { Query } from "../live/history";
import { PAGES_LIMIT, useRequestPages, type Pages } from "../live/pages";
import { useNarrow } from "../ui/media";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { RequestRow, StreamHead } from "./RequestRow";

interface HistoryProps {
  query: Query;
  shown: { from: number; to: number };
  filtered: boolean;
  inPanel?: boolean;
}

export function RequestHistory({ query, shown, filtered, inPanel = false }: HistoryProps) {
  const { t } = useSettings();
  const pages = useRequestPages(query, shown);
  const isEmpty = pages.requests.length === 0;
  return (
    <div className={inPanel ? "stream stream-of-process" : "stream"} data-testid="request-history" data-state={pages.state}>
      <Bar pages={pages} />
      {!isEmpty && <Log pages={pages} />}
      {isEmpty && pages.state === "failed" && <Say what={t("time.failed")} next={pages.problem ?? ""} />}
      {isEmpty && pages.state === "end" && (
        <Say what={t("requests.noneThen")} next={t(filtered ? "requests.noneThenFiltered" : "requests.noneThenHint")} />
      )}
    </div>
  );
}

function Bar({ pages }: { pages: Pages }) {
  const { t } = useSettings();
  const { length } = pages.requests;
  const text = {
    asking: t("requests.asking", { count: length }),
    more: t("requests.thereIsMore", { count: length }),
    end: t("requests.thatIsAll", { count: length }),
    full: t("requests.full", { count: PAGES_LIMIT }),
    failed: pages.problem ?? "",
  }[pages.state];
  return (
    <div className="stream-bar">
      <span className={pages.state === "failed" ? "bad" : "muted"} role="status">
        {text}
      </span>
    </div>
  );
}

function Log({ pages }: { pages: Pages }) {
  const { t } = useSettings();
  const height = useNarrow() ? 42 : 22;
  const scroller = useRef<HTMLDivElement>(null);
  const { requests, more } = pages;
  const virtual = useVirtualizer({
    count: requests.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 16,
  });
  useLayoutEffect(() => virtual.measure(), [virtual, height]);
  const last = virtual.getVirtualItems().at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= requests.length - 50) more();
  }, [last, requests.length, more]);
  return (
    // The log scrolls by keys, so it must be able to have the focus.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={scroller} className="log" role="log" aria-live="off" aria-label={t("requests.title")} tabIndex={0}>
      <StreamHead />
      <div className="rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const request = requests[index];
          return request && <RequestRow key={key} item={{ kind: "request", seq: index, request }} top={start} />;
        })}
      </div>
    </div>
  );
}
