/** The time control, and messages if the history has no data. */

export const time = {
  label: "Time shown",
  last: "last {{span}}",
  backToLive: "Back to live",
  earlier: "Earlier",
  later: "Later",
  wider: "Zoom out",
  liveHint: "Live, showing the last:",
  rangeHint: "Or a past time range, for every view:",
  today: "Today",
  yesterday: "Yesterday",
  from: "From",
  to: "To",
  show: "Show",
  wrong: "The end must be after the start.",
  asking: "Loading the history…",
  failed: "The history did not answer.",
  nothing: "The history has no data from this time range.",
  nothingHint: "memtap was not running then, or the data has expired. Choose another time range at the top.",
} as const;
