/**
 * Escapes names and commands of processes, which are untrusted. All of them must pass through here
 * before the page shows them.
 */

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Characters that steer a terminal, are not seen, look like a space, or change the direction or the
 * shape of their neighbours. The list is `web/test/unseen.txt`; a test compares every character
 * with it. Lone surrogates exist only here.
 */
const RANGES: readonly (readonly [number, number])[] = [
  [0x0, 0x1f], [0x7f, 0xa0], [0xad, 0xad], [0x34f, 0x34f], [0x600, 0x605], [0x61c, 0x61c],
  [0x6dd, 0x6dd], [0x70f, 0x70f], [0x890, 0x891], [0x8e2, 0x8e2], [0x115f, 0x1160], [0x1680,
  0x1680], [0x17b4, 0x17b5], [0x180b, 0x180f], [0x2000, 0x200f], [0x2028, 0x202f], [0x205f,
  0x206f], [0x2800, 0x2800], [0x3000, 0x3000], [0x3164, 0x3164], [0xd800, 0xdfff], [0xe000,
  0xf8ff], [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb], [0x110bd,
  0x110bd], [0x110cd, 0x110cd], [0x13430, 0x1343f], [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff], [0xf0000, 0xfffff], [0x100000, 0x10ffff],
];

const codePoint = (value: number): string => `\\u{${value.toString(16)}}`;

const UNSEEN = new RegExp(`[${RANGES.map(([first, last]) => `${codePoint(first)}-${codePoint(last)}`).join("")}]`, "gu");

/** Returns the text with these characters escaped: `\n`, `\x1b`, `\u{202e}`. */
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
