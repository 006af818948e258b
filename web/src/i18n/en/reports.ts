/** Reports: which time and which programs, and the documents that are made of them. */

export const reports = {
  title: "A report to keep or to send",
  about:
    "The machine's memory, the programs that asked for most and how that changed, what was refused and why, findings with advice, and what is missing: one file that needs nothing else.",
  time: "Time",
  timeHint: "as chosen at the top",
  programs: "Programs",
  allPrograms: "all programs",
  programsHint: "a name, * for any part of it",
  compare: "Compared with",
  comparisons: { none: "nothing", before: "the time just before", day: "the day before", week: "the week before" },
  formats: { html: "Open the report", md: "Markdown", json: "JSON", csv: "CSV" },
  formatHints: {
    html: "one HTML file with its charts; prints well, save it with Ctrl-S",
    md: "for a ticket or a wiki",
    json: "all figures for programs, sizes in bytes",
    csv: "for a spreadsheet",
  },
  terminal: "The same in a terminal",
  terminalHint: "For a timer or a mail every morning:",
  noHistory: "There is no history to report on.",
  noHistoryHint: "memtap was started with --store none. With its own database it keeps what it sees:",
} as const;
