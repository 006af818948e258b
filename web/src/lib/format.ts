/** Numbers and times as text, in the user's language. Pure. */

export type Lang = "en" | "es";

const LOCALE: Record<Lang, string> = { en: "en-GB", es: "es-ES" };
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;
const MINUS = "−";
const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(lang: Lang, digits: number): Intl.NumberFormat {
  const key = `${lang}${digits}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(LOCALE[lang], {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      useGrouping: "always",
    });
    formats.set(key, format);
  }
  return format;
}

export function fixed(value: number, digits: number, lang: Lang): string {
  const text = numberFormat(lang, digits).format(Math.abs(value));
  const isZero = !/[1-9]/.test(text);
  return value < 0 && !isZero ? MINUS + text : text;
}

export function count(value: number, lang: Lang): string {
  return fixed(value, 0, lang);
}

/** `412 MiB`, `1.50 GiB`: three significant digits, so that columns are easy to compare. */
export function bytes(value: number, lang: Lang): string {
  let size = Math.abs(value);
  let unit = 0;
  // 1023.5 and not 1024, because a value that rounds to 1024 belongs to the next unit.
  while (size >= 1023.5 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${fixed(Math.sign(value) * size, digits, lang)} ${UNITS[unit] ?? ""}`;
}

/** Bytes with a plus sign if positive. */
export function signedBytes(value: number, lang: Lang): string {
  return value > 0 ? `+${bytes(value, lang)}` : bytes(value, lang);
}

export function exactBytes(value: number, lang: Lang): string {
  return `${count(value, lang)} B`;
}

/** A rate or small amount: no decimals from 10 on, one below. */
export function rate(value: number, lang: Lang): string {
  return fixed(value, value === 0 || value >= 9.95 ? 0 : 1, lang);
}

/**
 * A rate that never rounds to zero: below a tenth, it has decimals up to the first significant
 * digit.
 */
export function fineRate(value: number, lang: Lang): string {
  return value > 0 && value < 0.095 ? fixed(value, Math.min(9, Math.ceil(-Math.log10(value) - 0.02)), lang) : rate(value, lang);
}

export function percent(value: number, lang: Lang): string {
  return fixed(value, value >= 9.95 ? 1 : 2, lang);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Local time of day, `13:47:21`. */
export function clock(time: string): string {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Date and time of day, `11-24 13:47`. */
export function dayClock(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function clockMs(time: string): string {
  return `${clock(time)}.${String(new Date(time).getMilliseconds()).padStart(3, "0")}`;
}

/** The time of day, with the date unless it is today. */
export function moment(time: string, nowMs: number): string {
  const date = new Date(time);
  if (date.toDateString() === new Date(nowMs).toDateString()) return clock(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(time)}`;
}

/** `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

const SIZE = /^(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?b)?$/i;

/** Bytes of `1MiB`, `64k` or `4096`; null if the text is not a size. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.trim());
  if (match === null) return null;
  const power = "kmgt".indexOf((match[2] ?? "").toLowerCase() || "-") + 1;
  return Math.round(Number((match[1] ?? "").replace(",", ".")) * 1024 ** power);
}
