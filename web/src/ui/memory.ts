/** The user's choices, stored by the browser. */

/** The stored value of a key, if it is allowed. */
export function recalled<T extends string>(key: string, allowed: readonly T[]): T | null {
  const value = recallText(key);
  return allowed.find((one) => one === value) ?? null;
}

/** The stored text of a key. */
// The browser's settings may forbid storage. A choice then lasts until the page is closed.
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
    // See `recallText`.
  }
}
