/** Names and commands of processes are strangers' bytes. Everything of theirs passes here before it is shown. */

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * What a reader would not see, or would be deceived by: control characters, format characters (bidi controls, zero
 * width), odd spaces and line ends, lone surrogates, private use and unassigned characters, Hangul and braille blanks.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

/** The text with every such character written out: `\n`, `\x1b`, `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped);
}

function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** A program's name; one that is empty or only spaces is put in quotes, as it could not be seen. */
export function visibleName(name: string): string {
  return name.trim() === "" ? `"${visible(name)}"` : visible(name);
}

/** At most `limit` characters, cut in the middle: both ends of a name tell programs apart. */
export function cutMiddle(text: string, limit: number): string {
  const characters = [...text];
  if (characters.length <= limit) return text;
  const head = Math.ceil((limit - 1) / 2);
  const tail = limit - 1 - head;
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - tail).join("")}`;
}
