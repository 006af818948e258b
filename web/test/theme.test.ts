import { describe, expect, it } from "vitest";
import { nextChoice, themeOf, THEME_CHOICES, type ThemeChoice } from "../src/lib/theme";

describe.each([true, false])("the theme where the browser prefers dark: %s", (prefersDark) => {
  it("is the browser's until one is chosen", () => {
    expect(themeOf("system", prefersDark)).toBe(prefersDark ? "dark" : "light");
    expect([themeOf("light", prefersDark), themeOf("dark", prefersDark)]).toEqual(["light", "dark"]);
  });

  it("changes at the first click, and goes through all choices", () => {
    const round: ThemeChoice[] = ["system"];
    for (let i = 0; i < 3; i++) round.push(nextChoice(round[i] ?? "system", prefersDark));
    expect(round[3]).toBe("system");
    expect(new Set(round)).toEqual(new Set(THEME_CHOICES));
    expect(themeOf(round[1] ?? "system", prefersDark)).not.toBe(themeOf("system", prefersDark));
  });
});
