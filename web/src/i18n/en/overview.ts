/** Overview: its charts. */

export const overview = {
  share: {
    titles: {
      requested: "Who asked for most",
      granted: "Who was given most",
      resident: "Who has most in memory",
      virtual: "Who has most address space",
    },
    by: "Compared by",
    measures: { requested: "requested", granted: "granted", resident: "resident", virtual: "virtual" },
    kind: "Kind of chart",
    since: "top 10 programs and others, since memtap started",
    kinds: { treemap: "Treemap", pie: "Pie" },
    others_one: "Others ({{count, number}} program)",
    others_other: "Others ({{count, number}} programs)",
    empty: "Nothing has been requested yet.",
    emptyHint: "The chart fills as programs ask for memory.",
    noSource: "Without eBPF memtap sees no requests, so there is nothing to share out.",
    noSourceHint: "Health shows how to mend it.",
    aria: "Share by program. {{list}}",
  },
  calls: {
    title: "Requests per second",
    others: "other calls",
    refused: "refused",
    lost_one: "{{count, number}} lost",
    lost_other: "{{count, number}} lost",
    description: "Requests per second by call over the time that is shown.",
  },
  memory: {
    title: "Memory",
    programs: "by program",
    machine: "of the machine",
    description: "Resident memory by program over the time that is shown.",
    machineDescription: "The machine's memory over the time that is shown: programs, kernel and cache; the rest is free.",
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
