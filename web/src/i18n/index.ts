/**
 * The page's texts: i18next with English built in and Spanish loaded on demand. lib/format.ts
 * formats the numbers.
 */
import { createInstance, type TFunction } from "i18next";
import { initReactI18next } from "react-i18next";
import { bytes, count, rate, type Lang } from "../lib/format";
import { en } from "./en";

/** Returns the text of a key with its `{{variables}}` filled in. */
export type Translate = TFunction;
/** Views and panels with a hint. */
export type HintTopic = keyof typeof en.hints;
export type Term = keyof typeof en.meanings.terms;
/** Groups of names that memtap sends and this page can explain. */
export type Named = Exclude<keyof typeof en.meanings, "terms">;

export const LANGS: readonly Lang[] = ["en", "es"];

/** Formats for variables, such as `{{kills, number}}`. */
const FORMATS: Record<string, (value: number, lang: Lang) => string> = { number: count, bytes, rate };

export const i18n = createInstance();
void i18n.use(initReactI18next).init({
  resources: { en: { translation: en } },
  lng: "en",
  supportedLngs: LANGS,
  initAsync: false,
  nsSeparator: false,
  // No escapes: the page shows every text as a text node, an attribute or on canvas, never as
  // markup.
  interpolation: { escapeValue: false },
  react: { useSuspense: false },
});
for (const [name, write] of Object.entries(FORMATS)) {
  i18n.services.formatter?.add(name, (value: number, lang) => write(value, langOf(lang)));
}

/** Switches the page's texts to a language. */
export async function speak(lang: Lang): Promise<void> {
  if (lang === "es") i18n.addResourceBundle("es", "translation", (await import("./es")).es);
  await i18n.changeLanguage(lang);
}

export function langOf(language: string | undefined): Lang {
  return LANGS.find((lang) => language?.toLowerCase().startsWith(lang)) ?? "en";
}

/**
 * Meaning of an errno, a cause of loss, a source and so on; undefined if this page does not know
 * the name.
 */
export function meaningOf(t: Translate, kind: Named, name: string): string | undefined {
  if (!Object.hasOwn(en.meanings[kind], name)) return undefined;
  // The compiler cannot know that the name exists; the check above ensures it.
  return t(`meanings.${kind}.${name}` as "meanings.errors.ENOMEM");
}
