/** Selects the time that the page shows: live with the last hours, or a range of the history. */
import { useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import { dayClock } from "../lib/format";
import { day, fieldText, HOUR, LIVE, LOOK_BACKS, zoomedOut, type Time } from "../lib/time";
import { sourceNow } from "../live/clock";
import { useNow } from "./media";
import { useCloseOutside } from "./outside";
import { useGoTo, useRoute } from "./router";
import { useSettings } from "./settings";

type Range = Extract<Time, { kind: "range" }>;

export function TimeControl() {
  const { t } = useSettings();
  const { time } = useRoute();
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useCloseOutside(box, open, () => setOpen(false));
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    setOpen(false);
  };
  return (
    // Escape closes the list from anywhere in it.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div ref={box} className="time" role="group" aria-label={t("time.label")} data-testid="time" data-kind={time.kind} onKeyDown={escape}>
      {time.kind === "range" && <RangeButtons time={time} />}
      <button type="button" className="time-open" data-testid="time-open" aria-expanded={open} onClick={() => setOpen(!open)}>
        {time.kind === "live" ? t("time.last", { span: spanText(time.seconds) }) : rangeText(time)} <span aria-hidden="true">▾</span>
      </button>
      {open && <Chooser time={time} onDone={() => setOpen(false)} />}
    </div>
  );
}

/** Buttons to return to live data, and to move or widen a past range. */
function RangeButtons({ time }: { time: Range }) {
  const { t } = useSettings();
  const goTo = useGoTo();
  const length = time.to - time.from;
  const shifted = (by: number): Time => ({ kind: "range", from: time.from + by, to: time.to + by });
  return (
    <>
      <button type="button" className="time-live" data-testid="time-live" onClick={() => goTo({ time: LIVE })}>
        {t("time.backToLive")}
      </button>
      <button type="button" aria-label={t("time.earlier")} title={t("time.earlier")} onClick={() => goTo({ time: shifted(-length) })}>
        ‹
      </button>
      <button type="button" aria-label={t("time.later")} title={t("time.later")} onClick={() => goTo({ time: shifted(length) })}>
        ›
      </button>
      <button type="button" aria-label={t("time.wider")} title={t("time.wider")} onClick={() => goTo({ time: zoomedOut(time, sourceNow()) })}>
        −
      </button>
    </>
  );
}

/** A round number of seconds in its largest unit: `15 min`, `6 h`, `7 d`. */
function spanText(length: number): string {
  if (length < HOUR) return `${length / 60} min`;
  return length < 24 * HOUR ? `${length / HOUR} h` : `${length / (24 * HOUR)} d`;
}

function rangeText({ from, to }: Range): string {
  const [first, last] = [dayClock(from), dayClock(to)];
  const isSameDay = first.slice(0, 5) === last.slice(0, 5);
  if (to - from < 600_000) return `${first}:${seconds(from)} – ${isSameDay ? last.slice(6) : last}:${seconds(to)}`;
  return `${first} – ${isSameDay ? last.slice(6) : last}`;
}

function seconds(ms: number): string {
  return String(new Date(ms).getSeconds()).padStart(2, "0");
}

function Chooser({ time, onDone }: { time: Time; onDone: () => void }) {
  const { t } = useSettings();
  const goTo = useGoTo();
  const now = useNow(60_000);
  const choose = (chosen: Time) => {
    goTo({ time: chosen });
    onDone();
  };
  return (
    <div className="time-chooser" data-testid="time-chooser">
      <p className="muted">{t("time.liveHint")}</p>
      <div className="time-presets">
        {LOOK_BACKS.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={time.kind === "live" && time.seconds === one}
            onClick={() => choose({ kind: "live", seconds: one })}
          >
            {t("time.last", { span: spanText(one) })}
          </button>
        ))}
      </div>
      <p className="muted">{t("time.rangeHint")}</p>
      <div className="time-presets">
        <button type="button" data-testid="time-today" onClick={() => choose(day(now, 0))}>
          {t("time.today")}
        </button>
        <button type="button" data-testid="time-yesterday" onClick={() => choose(day(now, 1))}>
          {t("time.yesterday")}
        </button>
      </div>
      <Fields time={time} now={now} onChoose={choose} />
    </div>
  );
}

function Fields({ time, now, onChoose }: { time: Time; now: number; onChoose: (time: Time) => void }) {
  const { t } = useSettings();
  const begin = time.kind === "range" ? time : { from: now - time.seconds * 1000, to: now };
  const [from, setFrom] = useState(() => fieldText(begin.from));
  const [to, setTo] = useState(() => fieldText(begin.to));
  const chosen = { from: Date.parse(from), to: Date.parse(to) };
  const isWrong = !(chosen.from < chosen.to);
  const show = (event: FormEvent) => {
    event.preventDefault();
    if (!isWrong) onChoose({ kind: "range", ...chosen });
  };
  return (
    <form className="time-fields" onSubmit={show}>
      <label>
        {t("time.from")}
        <input type="datetime-local" step="1" value={from} data-testid="time-from" onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label>
        {t("time.to")}
        <input type="datetime-local" step="1" value={to} data-testid="time-to" aria-invalid={isWrong} onChange={(event) => setTo(event.target.value)} />
      </label>
      <button type="submit" data-testid="time-show" disabled={isWrong}>
        {t("time.show")}
      </button>
      {isWrong && <p className="bad" role="alert">{t("time.wrong")}</p>}
    </form>
  );
}
