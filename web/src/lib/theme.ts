/** The theme of the page: the user's choice or the browser's preference. Pure. */
import type { Theme } from "./palette";

/** `system` follows the browser's preference, even when it changes. */
export const THEME_CHOICES = ["system", "light", "dark"] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];

export function themeOf(choice: ThemeChoice, prefersDark: boolean): Theme {
  return choice === "system" ? systemTheme(prefersDark) : choice;
}

/**
 * The next choice in a cycle of three: from `system` to the other theme, so that the first click
 * has a visible effect, then to the system's theme, and back.
 */
export function nextChoice(choice: ThemeChoice, prefersDark: boolean): ThemeChoice {
  const system = systemTheme(prefersDark);
  if (choice === "system") return system === "dark" ? "light" : "dark";
  return choice === system ? "system" : system;
}

function systemTheme(prefersDark: boolean): Theme {
  return prefersDark ? "dark" : "light";
}
