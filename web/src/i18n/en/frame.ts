/** The frame around every view: links, language, theme, connection, keys. */

export const frame = {
  views: { overview: "Overview", processes: "Processes", requests: "Requests", reports: "Reports", health: "Health" },
  loading: "Loading…",
  skip: "Skip to the content",
  otherLanguage: "Español",
  switchLanguage: "Cambiar a español",
  /** `system` follows what the browser prefers. */
  theme: {
    name: {
      system: "System",
      light: "Light",
      dark: "Dark",
    },
    change: "Theme: {{now}}. Change to: {{next}}",
  },
  closeHint: "Do not show this again",
  help: "Keys",
  close: "Close",
  copy: "Copy",
  copied: "Copied",
  copyLink: "Copy link",
  connection: {
    state: {
      live: "live",
      stale: "stale",
      connecting: "connecting",
      recorded: "recording",
    },
    staleStrip: "Stale: the last data came {{age}} ago. These numbers are from then; memtap is being called again.",
    connectingTitle: "Connecting to memtap…",
    connectingHint: "The first data take about a second. If this stays, check that memtap is still running:",
    problem: "The last attempt failed: {{why}}",
  },
  failure: {
    what: "This view failed to draw.",
    next: "memtap itself goes on. Load the page again; if it happens again, please report this message:",
    reload: "Load again",
  },
  keys: {
    title: "Keys",
    search: "search or filter",
    move: "move through the rows",
    page: "move by a page",
    open: "open the process",
    close: "close what is open",
    pause: "pause and resume the stream, or the table",
    fold: "close and open what stands below a row",
    group: "group by program, user, container",
    tree: "tree of processes and their parents",
    views: "Overview, Processes, Requests, Reports, Health",
    help: "this list",
  },
} as const;
