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
  known: {
    programs: "What programs have: anonymous pages, mapped files and shared memory, each counted once (AnonPages + Mapped + Shmem).",
    cache: "Copies of files that the kernel gives back when memory is wanted (Cached + Buffers + SReclaimable, without what is mapped or shared).",
    kernel: "What the kernel uses for itself: the rest of MemTotal.",
    free: "Memory that nobody uses (MemFree).",
  },
  own: "{{size}} of its own",
  rest: "smaller programs, and what programs share",
  highestPressure: "highest pressure",
  refused: "refused",
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
