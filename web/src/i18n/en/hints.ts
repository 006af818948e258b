/** One sentence for the first visit of a view, and of the panel of a process: what is to be seen here, and what one can do. */

export const hints = {
  overview: "One glance: how often programs ask for memory, and which of them ask for most. Words with a dotted line explain themselves.",
  processes: "Every process with what it uses and what it asked for. Click a head to sort, a row to see all of it; / searches.",
  process: "The books say why this process has the memory it has: each cause since memtap knows it, down to the byte.",
  requests: "Each line is one memory call of one program, with what the kernel answered; the newest is at the bottom. Space pauses.",
  reports: "A document of the time that is shown at the top: to read, to print, to send.",
  health: "Does memtap see everything, does it keep everything, and what does it cost this machine?",
} as const;
