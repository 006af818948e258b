/** The frame around every view: links, language, theme, connection, keys. */

export const frame = {
  views: { overview: "Overview", processes: "Processes", requests: "Requests", reports: "Reports", health: "Health" },
  loading: "Loading…",
  skip: "Skip to the content",
  otherLanguage: "Español",
  switchLanguage: "Cambiar a español",
  /** `system` follows the browser's preference. */
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
    staleStrip: "Stale: last update {{age}} ago. The numbers are from that time. Reconnecting…",
    connectingTitle: "Connecting to memtap…",
    connectingHint: "The first data arrives after about a second. If this message stays, check that memtap is running:",
    problem: "The last attempt failed: {{why}}",
  },
  failure: {
    what: "This view could not be displayed.",
    next: "memtap is still capturing. Reload the page. If this happens again, please report this message:",
    reload: "Reload",
  },
  keys: {
    title: "Keys",
    search: "search or filter",
    move: "move through the rows",
    page: "move one page",
    open: "open the process",
    close: "close the panel or dialog",
    pause: "pause or resume the stream or the table",
    fold: "collapse or expand a row",
    group: "group by program, user or container",
    tree: "tree of processes",
    views: "Overview, Processes, Requests, Reports, Health",
    help: "show this list",
  },
} as const;
