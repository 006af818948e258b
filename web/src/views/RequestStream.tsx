/** The log of requests, the newest at the bottom. The document contains only the visible lines. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef } from "react";
import { passes, passing, type RequestTest } from "../lib/requests";
import { useLive } from "../model/store";
import { STREAM_LIMIT, type Stream, type StreamItem } from "../model/stream";
import { useKeys } from "../ui/keys";
import { useNarrow } from "../ui/media";
import { Say } from "../ui/Say";
import { useSettings } from "../ui/settings";
import { useFollow, type Follow } from "./follow";
import { RequestRow, StreamHead } from "./RequestRow";

interface StreamProps {
  test: RequestTest;
  /** `test` may hide requests. */
  filtered: boolean;
  /** Shown in the panel of a process, where its name and pid need not be repeated. */
  inPanel?: boolean;
}

export function RequestStream({ test, filtered, inPanel = false }: StreamProps) {
  const stream = useLive((state) => (inPanel ? state.focus?.stream : null) ?? state.stream);
  const isRefused = useLive((state) => inPanel && state.focus?.isRefused === true);
  const follow = useFollow(stream);
  const items = useMemo(() => passing(follow.shown.items, test), [follow.shown, test]);
  const toggle = () => (follow.mode === "following" ? follow.pause() : follow.resume());
  useKeys({ " ": toggle });

  const requests = items.filter((item) => item.kind === "request").length;
  return (
    <div className={inPanel ? "stream stream-of-process" : "stream"}>
      <StreamBar follow={follow} fresh={freshText(stream, follow.shown, filtered ? test : null)} shown={requests} onToggle={toggle} />
      {isRefused && <FocusRefused />}
      {requests === 0 ? <NothingYet filtered={filtered} inPanel={inPanel} /> : <Log items={items} follow={follow} />}
    </div>
  );
}

/**
 * Number of new requests since the stream was stopped. `more` means that the buffer has dropped
 * some of them.
 */
function freshText(stream: Stream, shown: Stream, test: StreamProps["test"] | null): { n: number; more: boolean } {
  if (stream === shown) return { n: 0, more: false };
  if (test === null) return { n: stream.received - shown.received, more: false };
  const fresh = stream.items.filter((item) => item.seq > shown.lastSeq && item.kind === "request" && passes(item, test));
  return { n: fresh.length, more: (stream.items[0]?.seq ?? 0) > shown.lastSeq + 1 };
}

interface BarProps {
  follow: Follow;
  fresh: { n: number; more: boolean };
  /** Number of requests in the log. */
  shown: number;
  onToggle: () => void;
}

function StreamBar({ follow, fresh, shown, onToggle }: BarProps) {
  const { t } = useSettings();
  const isFollowing = follow.mode === "following";
  return (
    <div className="stream-bar">
      <button type="button" data-testid="pause" data-mode={follow.mode} onClick={onToggle} aria-keyshortcuts="Space">
        {isFollowing ? t("requests.pause") : t("requests.resume")}
      </button>
      <span className="muted">{t(`requests.mode.${follow.mode}`)}</span>
      {!isFollowing && (
        <button type="button" className="fresh" data-testid="fresh" onClick={follow.resume}>
          {t(fresh.more ? "requests.freshOrMore" : "requests.fresh", { count: fresh.n })} · {t("requests.toNewest")}
        </button>
      )}
      <span className="muted toolbar-end">
        {t("requests.shown", { shown, limit: STREAM_LIMIT })}
      </span>
    </div>
  );
}

/** Explains that the requests come from the general stream only and may be incomplete. */
function FocusRefused() {
  const { t } = useSettings();
  return (
    <p className="muted" role="status">
      {t("requests.focusRefused")}
    </p>
  );
}

function NothingYet({ filtered, inPanel }: { filtered: boolean; inPanel: boolean }) {
  const { t } = useSettings();
  if (inPanel) return <Say what={t("requests.emptyProcess")} next={t("requests.emptyProcessHint")} />;
  if (filtered) return <Say what={t("requests.noMatch")} next={t("requests.noMatchHint")} />;
  return <Say what={t("requests.empty")} next={t("requests.emptyHint")} />;
}

function Log({ items, follow }: { items: readonly StreamItem[]; follow: Follow }) {
  const { t } = useSettings();
  const height = useNarrow() ? 42 : 22;
  const scroller = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const isFollowing = follow.mode === "following";
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    getItemKey: (index) => items[index]?.seq ?? index,
    overscan: 16,
  });
  useLayoutEffect(() => virtual.measure(), [virtual, height]);
  useLayoutEffect(() => {
    const log = scroller.current;
    if (log !== null && isFollowing) log.scrollTop = log.scrollHeight;
  }, [items, isFollowing, height]);

  const scrolled = () => {
    const log = scroller.current;
    if (log === null) return;
    const fromEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
    const wentBack = log.scrollTop < lastTop.current - 1;
    lastTop.current = log.scrollTop;
    if (fromEnd < 4) follow.scrolledToEnd();
    else if (wentBack && fromEnd > height) follow.scrolledBack();
  };
  return (
    // The log scrolls by keys, so it must be able to have the focus.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={scroller} className="log" role="log" aria-live="off" aria-label={t("requests.title")} tabIndex={0} onScroll={scrolled}>
      <StreamHead />
      <div className="rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const item = items[index];
          return item === undefined ? null : <RequestRow key={key} item={item} top={start} />;
        })}
      </div>
    </div>
  );
}
