/** Language and theme: those of the browser until the user chooses others, which are stored. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { i18n, langOf, LANGS, speak, type Translate } from "../i18n";
import type { Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import { nextChoice, themeOf, THEME_CHOICES, type ThemeChoice } from "../lib/theme";
import { useMedia } from "./media";
import { recalled, remember } from "./memory";

export interface Settings {
  lang: Lang;
  /** Returns a text in that language. The function changes with the language. */
  t: Translate;
  /** The theme in use. */
  theme: Theme;
  themeChoice: ThemeChoice;
  /** The next choice in the cycle. */
  nextThemeChoice: ThemeChoice;
  setLang: (lang: Lang) => void;
  setThemeChoice: (choice: ThemeChoice) => void;
}

const Context = createContext<Settings | null>(null);

export function useSettings(): Settings {
  const settings = useContext(Context);
  if (settings === null) throw new Error("useSettings outside of SettingsProvider");
  return settings;
}

/** Must be called before the first rendering. */
export async function startLanguage(): Promise<void> {
  // If the texts do not load, the page is in English.
  await speak(recalled("lang", LANGS) ?? langOf(navigator.language)).catch(() => undefined);
}

export function SettingsProvider({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const lang = langOf(i18n.language);
  const [themeChoice, setThemeChoice] = useState<ThemeChoice>(() => recalled("theme", THEME_CHOICES) ?? "system");
  const prefersDark = useMedia("(prefers-color-scheme: dark)");
  const theme = themeOf(themeChoice, prefersDark);
  const nextThemeChoice = nextChoice(themeChoice, prefersDark);

  useEffect(() => {
    document.documentElement.lang = lang;
  }, [lang]);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);

  const settings = useMemo<Settings>(
    () => ({
      lang,
      t,
      theme,
      themeChoice,
      nextThemeChoice,
      setLang: (value) => {
        remember("lang", value);
        // The texts of a page from before an update of memtap do not exist any more. The reloaded
        // page has them.
        speak(value).catch(() => location.reload());
      },
      setThemeChoice: (value) => {
        remember("theme", value);
        setThemeChoice(value);
      },
    }),
    [lang, t, theme, themeChoice, nextThemeChoice],
  );
  return <Context value={settings}>{children}</Context>;
}
