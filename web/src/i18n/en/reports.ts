/** Reports: the choice of time and programs, and the documents. */

export const reports = {
  title: "Create a report",
  about:
    "One self-contained file: the machine's memory, the programs that requested the most memory and how that changed, refusals and their reasons, findings with advice, and known gaps in the data.",
  time: "Time range",
  timeHint: "as chosen at the top",
  programs: "Programs",
  allPrograms: "all programs",
  programsHint: "a name; * matches any text",
  compare: "Compared with",
  comparisons: { none: "nothing", before: "the time just before", day: "the day before", week: "the week before" },
  formats: { html: "Open the report", md: "Markdown", json: "JSON", csv: "CSV" },
  formatHints: {
    html: "one HTML file with charts; print it, or save it with Ctrl-S",
    md: "for a ticket or a wiki",
    json: "all figures, for scripts; sizes in bytes",
    csv: "for a spreadsheet",
  },
  terminal: "The same in a terminal",
  terminalHint: "To run from a timer, or to mail every morning:",
  noHistory: "There is no history to report on.",
  noHistoryHint: "memtap was started with --store none. With a database it keeps a history:",
} as const;
