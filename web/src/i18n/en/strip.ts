/** The strip under the title: the machine at a glance. */

export const strip = {
  label: "The machine at a glance",
  memory: "Memory of the machine",
  parts: {
    programs: "programs",
    cache: "cache",
    kernel: "kernel",
    free: "free",
  },
  pressure: "pressure",
  noPressure: "this kernel does not tell",
  underPressure: "short of memory",
  perSecond: "req/s",
  refusedPerSecond: "refused/s",
  lost: "lost",
  lostWord: "stream incomplete",
  unexplained: "unexplained",
  oomKills: "OOM kills",
  oomLatest: "latest: {{name}}",
  host: "host",
  source: "source",
} as const;
