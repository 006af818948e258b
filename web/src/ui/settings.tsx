/** Language and theme: chosen by the browser until the reader chooses, then remembered. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { en, type Words } from "../i18n/en";
import { es } from "../i18n/es";
import type { Lang } from "../lib/format";
import type { Theme } from "../lib/palette";
import { useMedia } from "./media";

const DICTIONARIES: Record<Lang, Words> = { en, es };

export interface Settings {
  lang: Lang;
  theme: Theme;
  words: Words;
  setLang: (lang: Lang) => void;
  setTheme: (theme: Theme) => void;
}

const Context = createContext<Settings | null>(null);

export function useSettings(): Settings {
  const settings = useContext(Context);
  if (settings === null) throw new Error("useSettings outside of SettingsProvider");
  return settings;
}

export function SettingsProvider({ children }: { children: ReactNode }) {
  const [lang, setLang] = useState<Lang>(() => pick(recall("lang"), ["en", "es"]) ?? browserLang());
  const [chosen, setChosen] = useState<Theme | null>(() => pick(recall("theme"), ["light", "dark"]));
  const prefersDark = useMedia("(prefers-color-scheme: dark)");
  const theme = chosen ?? (prefersDark ? "dark" : "light");

  useEffect(() => {
    document.documentElement.lang = lang;
  }, [lang]);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);

  const settings = useMemo<Settings>(
    () => ({
      lang,
      theme,
      words: DICTIONARIES[lang],
      setLang: (value) => {
        remember("lang", value);
        setLang(value);
      },
      setTheme: (value) => {
        remember("theme", value);
        setChosen(value);
      },
    }),
    [lang, theme],
  );
  return <Context value={settings}>{children}</Context>;
}

function browserLang(): Lang {
  return navigator.language.toLowerCase().startsWith("es") ? "es" : "en";
}

function pick<T extends string>(value: string | null, allowed: readonly T[]): T | null {
  return allowed.find((one) => one === value) ?? null;
}

// Storage may be forbidden by the browser's settings; then a choice lasts as long as the page.
function recall(key: string): string | null {
  try {
    return localStorage.getItem(`memtap.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`memtap.${key}`, value);
  } catch {
    // See above.
  }
}

export function recalled<T extends string>(key: string, allowed: readonly T[]): T | null {
  return pick(recall(key), allowed);
}
