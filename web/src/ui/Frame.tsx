/** The frame around every view: title, links, connection, theme and language. */
import { useMemo, useState, type ReactNode } from "react";
import { routeHash, VIEWS } from "../lib/route";
import { useLive } from "../model/store";
import { Connection, useConnection } from "./Connection";
import { Help } from "./Help";
import { focusSearch, useKeys } from "./keys";
import { Notices } from "./Notices";
import { navigate, useRoute } from "./router";
import { useSettings } from "./settings";
import { Strip } from "./Strip";

export function Frame({ children }: { children: ReactNode }) {
  const { words } = useSettings();
  const [help, setHelp] = useState(false);
  const live = useLive((state) => state.live);
  const connection = useConnection();
  const { view } = useRoute();
  useKeys(useMemo(() => pageKeys(() => setHelp(true)), []));

  return (
    <>
      <a className="skip" href="#content" onClick={skipToContent}>
        {words.skip}
      </a>
      <header className="frame">
        <div className="topbar">
          <a className="brand" href={routeHash({ view: "overview" })}>
            memtap
          </a>
          <Links />
          <Connection connection={connection} />
          <Toggles onHelp={() => setHelp(true)} />
        </div>
        {live && <Strip live={live} connection={connection} />}
      </header>
      {/* Health has them in a card of its own. */}
      {live && view !== "health" && <Notices notices={live.health.notices} />}
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <Help open={help} onClose={() => setHelp(false)} />
    </>
  );
}

/** The hash is the route, so the link to the content moves the focus itself. */
function skipToContent(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function pageKeys(openHelp: () => void): Record<string, () => void> {
  const views = VIEWS.map((view, i): [string, () => void] => [String(i + 1), () => navigate(routeHash({ view }))]);
  return {
    ...Object.fromEntries(views),
    "?": openHelp,
    "/": () => {
      if (focusSearch()) return;
      navigate(routeHash({ view: "processes" }));
      // The field is there once the view has been drawn.
      setTimeout(focusSearch, 50);
    },
  };
}

function Links() {
  const { words } = useSettings();
  const { view } = useRoute();
  return (
    <nav>
      {VIEWS.map((one) => (
        <a key={one} href={routeHash({ view: one })} aria-current={one === view ? "page" : undefined}>
          {words.views[one]}
        </a>
      ))}
    </nav>
  );
}

function Toggles({ onHelp }: { onHelp: () => void }) {
  const { words, lang, setLang, theme, setTheme } = useSettings();
  const isDark = theme === "dark";
  return (
    <div className="toggles">
      <button
        type="button"
        data-testid="theme-toggle"
        aria-label={isDark ? words.toLight : words.toDark}
        title={isDark ? words.toLight : words.toDark}
        onClick={() => setTheme(isDark ? "light" : "dark")}
      >
        {isDark ? words.light : words.dark}
      </button>
      <button
        type="button"
        data-testid="lang-toggle"
        lang={lang === "en" ? "es" : "en"}
        aria-label={words.switchLanguage}
        onClick={() => setLang(lang === "en" ? "es" : "en")}
      >
        {words.otherLanguage}
      </button>
      <button type="button" onClick={onHelp} aria-label={words.help} title={words.help} aria-keyshortcuts="?">
        ?
      </button>
    </div>
  );
}
