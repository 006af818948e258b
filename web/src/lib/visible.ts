/**
 * Escapes names and commands of processes, which are untrusted. All of them must pass through here
 * before the page shows them.
 */

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Characters that are invisible or misleading: control and format characters (bidi controls, zero
 * width), unusual spaces and line ends, lone surrogates, private use and unassigned characters,
 * Hangul and braille blanks.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

/**
 * The text with these characters escaped: `
 * `, `\x1b`, `\u{202e}`.
 */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped);
}

function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** A program's name. Quotes make an empty name, or one of spaces, visible. */
export function visibleName(name: string): string {
  return name.trim() === "" ? `"${visible(name)}"` : visible(name);
}

/**
 * Shortens a text to `limit` characters in the middle, because both ends of a name distinguish
 * programs.
 */
export function cutMiddle(text: string, limit: number): string {
  const characters = [...text];
  if (characters.length <= limit) return text;
  const head = Math.ceil((limit - 1) / 2);
  const tail = limit - 1 - head;
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - tail).join("")}`;
}
