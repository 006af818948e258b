/** Which of the ten colours a program has. Pure: names in, slots out. */

export const SLOTS = 10;
export type Colours = ReadonlyMap<string, number>;

/**
 * Gives each of `names` a slot. A program keeps the slot it had, and one that left the list keeps its own
 * until somebody needs it, so that a colour never jumps while the eye follows it.
 */
export function assignColours(before: Colours, names: readonly string[]): Colours {
  const wanted = names.slice(0, SLOTS);
  if (wanted.every((name) => before.has(name))) return before;

  const after = new Map(before);
  for (const name of wanted) {
    if (!after.has(name)) after.set(name, takeSlot(after, name, wanted));
  }
  return after;
}

/** The slot a name's hash prefers, so that a reload tends to paint it alike; else a free one; else one whose owner left. */
function takeSlot(taken: Map<string, number>, name: string, wanted: readonly string[]): number {
  const used = new Set(taken.values());
  const preferred = hash(name) % SLOTS;
  for (let step = 0; step < SLOTS; step += 1) {
    const slot = (preferred + step) % SLOTS;
    if (!used.has(slot)) return slot;
  }
  const idle = [...taken].find(([owner]) => !wanted.includes(owner));
  if (idle === undefined) return preferred;
  taken.delete(idle[0]);
  return idle[1];
}

function hash(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i += 1) value = (value * 31 + text.charCodeAt(i)) % 1_000_003;
  return value;
}
