/** The page's words: i18next with English at hand and Spanish once it is chosen, and numbers written by lib/format.ts. */
import { createInstance, type TFunction } from "i18next";
import { initReactI18next } from "react-i18next";
import { bytes, count, rate, type Lang } from "../lib/format";
import { en } from "./en";

/** Gives the text of a key, its `{{variables}}` filled in. */
export type Translate = TFunction;
/** What has a hint for the first visit. */
export type HintOf = keyof typeof en.hints;
export type Term = keyof typeof en.meanings.terms;
/** What memtap sends by name, and this page has words for. */
export type Named = Exclude<keyof typeof en.meanings, "terms">;

export const LANGS: readonly Lang[] = ["en", "es"];

/** What may stand after the comma in `{{kills, number}}`. */
const FORMATS: Record<string, (value: number, lang: Lang) => string> = { number: count, bytes, rate };

export const i18n = createInstance();
void i18n.use(initReactI18next).init({
  resources: { en: { translation: en } },
  lng: "en",
  supportedLngs: LANGS,
  initAsync: false,
  nsSeparator: false,
  // Every text is shown as a text node, an attribute or on canvas, never as markup.
  interpolation: { escapeValue: false },
  react: { useSuspense: false },
});
for (const [name, write] of Object.entries(FORMATS)) {
  i18n.services.formatter?.add(name, (value: number, lang) => write(value, langOf(lang)));
}

/** Shows the page's words in that language from now on. */
export async function speak(lang: Lang): Promise<void> {
  if (lang === "es") i18n.addResourceBundle("es", "translation", (await import("./es")).es);
  await i18n.changeLanguage(lang);
}

export function langOf(language: string | undefined): Lang {
  return LANGS.find((lang) => language?.toLowerCase().startsWith(lang)) ?? "en";
}

/** What an errno, a cause of loss, a source and so on means; undefined for a name that this page does not know. */
export function meaningOf(t: Translate, kind: Named, name: string): string | undefined {
  if (!Object.hasOwn(en.meanings[kind], name)) return undefined;
  // The compiler cannot know the name; it has just been looked up.
  return t(`meanings.${kind}.${name}` as "meanings.errors.ENOMEM");
}
