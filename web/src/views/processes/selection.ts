/** The line selected by keyboard. The selection follows its process when the order changes. */
import { useState } from "react";
import type { Line } from "../../lib/arrange";

interface Moves {
  lines: readonly Line[];
  /** The process whose panel is open. */
  opened: string | null;
  scrollTo: (index: number) => void;
  onToggle: (key: string) => void;
}

export function useSelection({ lines, opened, scrollTo, onToggle }: Moves) {
  const [{ selected, wasOpened }, setSelection] = useState({ selected: opened, wasOpened: opened });
  const setSelected = (key: string | null) => setSelection({ selected: key, wasOpened: opened });
  // Opening a process, by a click or by the address, selects its line.
  if (wasOpened !== opened) setSelected(opened ?? selected);

  /** Moves the selection by a key. Returns whether the key has a function here. */
  const moved = (key: string, page: number): boolean => {
    const from = lines.findIndex((line) => line.key === selected);
    const line = lines[from];
    if (line !== undefined && line.open === (key === "ArrowLeft") && (key === "ArrowLeft" || key === "ArrowRight")) {
      onToggle(line.key);
      return true;
    }
    const to = target(key, lines, from, page);
    const there = to === null ? undefined : lines[to];
    if (to === null || there === undefined) return false;
    setSelected(there.key);
    scrollTo(to);
    return true;
  };
  return { selected, line: selected === null ? undefined : lines.find((line) => line.key === selected), moved };
}

function target(key: string, lines: readonly Line[], from: number, page: number): number | null {
  const last = lines.length - 1;
  const within = (index: number) => Math.max(0, Math.min(last, index));
  switch (key) {
    case "ArrowDown":
      return within(from + 1);
    case "ArrowUp":
      return within(from - 1);
    case "ArrowRight":
      return lines[from]?.open ? within(from + 1) : null;
    case "ArrowLeft":
      return above(lines, from);
    case "PageDown":
      return within(from + page);
    case "PageUp":
      return within(from - page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** The line of the parent or group. */
function above(lines: readonly Line[], from: number): number | null {
  const level = lines[from]?.level ?? 1;
  for (let at = from - 1; at >= 0; at -= 1) if ((lines[at]?.level ?? level) < level) return at;
  return null;
}
