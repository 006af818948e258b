/**
 * A hint of one sentence for the first visit of a view or of a process panel: what it shows, and
 * what the user can do.
 */

export const hints = {
  overview: "How often programs request memory, and which programs request most. Point at a word with a dotted underline to see its meaning.",
  processes: "Every process, the memory it uses and the memory it requested. Click a column header to sort, or a row for details. Press / to search.",
  process: "The ledger explains the memory of this process: every change since memtap first saw it, with its cause, to the byte.",
  requests: "Each line is one memory call of one thread, with the kernel's answer. The newest is at the bottom. Press Space to pause.",
  reports: "A document about the time range chosen at the top, to read, print or send.",
  health: "Does memtap see everything, does it keep everything, and what does it cost?",
} as const;
