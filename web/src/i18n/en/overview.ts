/** Overview: the two charts. */

export const overview = {
  share: {
    title: "Share of requested bytes",
    since: "top 10 programs and others, since memtap started",
    kinds: { treemap: "Treemap", pie: "Pie" },
    others_one: "Others ({{count, number}} program)",
    others_other: "Others ({{count, number}} programs)",
    empty: "Nothing has been requested yet.",
    emptyHint: "The chart fills as programs ask for memory.",
    noSource: "Without eBPF memtap sees no requests, so there is nothing to share out.",
    noSourceHint: "Health shows how to mend it.",
    aria: "Share of requested bytes by program. {{list}}",
  },
  rates: {
    title: "Requests per second",
    since: "up to ten minutes, since this page was opened",
    requests: "requests/s",
    refused: "refused/s",
    lost_one: "{{count, number}} lost",
    lost_other: "{{count, number}} lost",
    aria: "Requests per second since this page was opened: now {{now, rate}}, at most {{top, rate}}.",
  },
} as const;
