/** Which theme the page has: the reader's choice, or the browser's. Pure. */
import type { Theme } from "./palette";

/** `system` follows what the browser prefers, as that changes. */
export const THEME_CHOICES = ["system", "light", "dark"] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];

export function themeOf(choice: ThemeChoice, prefersDark: boolean): Theme {
  return choice === "system" ? systemTheme(prefersDark) : choice;
}

/**
 * The choice after this one, in a round of three: from `system` to the theme that the system does not have, so that the
 * first click is seen, then to the other one, and back.
 */
export function nextChoice(choice: ThemeChoice, prefersDark: boolean): ThemeChoice {
  const system = systemTheme(prefersDark);
  if (choice === "system") return system === "dark" ? "light" : "dark";
  return choice === system ? "system" : system;
}

function systemTheme(prefersDark: boolean): Theme {
  return prefersDark ? "dark" : "light";
}
