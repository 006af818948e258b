/** What the reader has chosen, kept by the browser. */

/** The remembered value of a key, if it is one of those that are allowed. */
export function recalled<T extends string>(key: string, allowed: readonly T[]): T | null {
  const value = recallText(key);
  return allowed.find((one) => one === value) ?? null;
}

/** The remembered text of a key, whatever it is. */
// Storage may be forbidden by the browser's settings; then a choice lasts as long as the page.
export function recallText(key: string): string | null {
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
