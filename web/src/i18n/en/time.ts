/** Which time the page shows, and what the history says when it has nothing to show. */

export const time = {
  label: "Time that is shown",
  last: "last {{span}}",
  backToLive: "Back to live",
  earlier: "Earlier",
  later: "Later",
  wider: "Twice as long",
  liveHint: "Live, with a look back over:",
  rangeHint: "Or a time in the past, in every view:",
  today: "Today",
  yesterday: "Yesterday",
  from: "From",
  to: "To",
  show: "Show",
  wrong: "The end must come after the beginning.",
  asking: "Asking the history…",
  failed: "The history did not answer.",
  nothing: "There is nothing in the history of that time.",
  nothingHint: "memtap was not running then, or what it kept has aged. Choose another time at the top.",
} as const;
