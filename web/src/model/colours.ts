/** Assigns one of ten colour slots to each program. Pure. */

export const SLOTS = 10;
export type Colours = ReadonlyMap<string, number>;

/**
 * Gives each of `names` a slot. A program keeps its slot. One that left the list keeps it until
 * another program needs it, so that colours do not change while the user watches.
 */
export function assignColours(before: Colours, names: readonly string[]): Colours {
  const wanted = names.slice(0, SLOTS);
  if (wanted.every((name) => before.has(name))) return before;

  const after = new Map(before);
  for (const name of wanted) {
    if (!after.has(name)) after.set(name, chooseSlot(after, name, wanted));
  }
  return after;
}

/**
 * The slot that the name's hash prefers, so that a reload usually chooses the same; otherwise a
 * free one, or one whose owner left the list.
 */
function chooseSlot(slots: Map<string, number>, name: string, wanted: readonly string[]): number {
  const used = new Set(slots.values());
  const preferred = hash(name) % SLOTS;
  for (let step = 0; step < SLOTS; step += 1) {
    const slot = (preferred + step) % SLOTS;
    if (!used.has(slot)) return slot;
  }
  const idle = [...slots].find(([owner]) => !wanted.includes(owner));
  if (idle === undefined) return preferred;
  slots.delete(idle[0]);
  return idle[1];
}

function hash(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i += 1) value = (value * 31 + text.charCodeAt(i)) % 1_000_003;
  return value;
}
