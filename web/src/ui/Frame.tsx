/** The frame around every view: title, links, connection, theme and language. */
import { useMemo, useState, type ReactNode } from "react";
import { VIEWS, type Target } from "../lib/route";
import { useLive } from "../model/store";
import { Connection, useConnection } from "./Connection";
import { Help } from "./Help";
import { Hint } from "./Hint";
import { focusSearch, useKeys } from "./keys";
import { Notices } from "./Notices";
import { navigate, useHref, useRoute } from "./router";
import { useSettings } from "./settings";
import { Strip } from "./strip/Strip";
import { TimeControl } from "./TimeControl";

export function Frame({ children }: { children: ReactNode }) {
  const { t } = useSettings();
  const [help, setHelp] = useState(false);
  const live = useLive((state) => state.live);
  const connection = useConnection();
  const { view } = useRoute();
  const href = useHref();
  useKeys(useMemo(() => pageKeys(href, () => setHelp(true)), [href]));

  return (
    <>
      <a className="skip" href="#content" onClick={skipToContent}>
        {t("frame.skip")}
      </a>
      <header className="frame">
        <div className="topbar">
          <a className="brand" href={href({ view: "overview" })}>
            memtap
          </a>
          <Links />
          <TimeControl />
          <Connection connection={connection} />
          <Toggles onHelp={() => setHelp(true)} />
        </div>
        {live && <Strip live={live} connection={connection} />}
      </header>
      {/* Health shows notices in its own card. */}
      {live && view !== "health" && <Notices notices={live.health.notices} />}
      {live && <Hint key={view} topic={view} />}
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <Help open={help} onClose={() => setHelp(false)} />
    </>
  );
}

/** Moves the focus to the content. An ordinary link would change the hash, which is the route. */
function skipToContent(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function pageKeys(href: (target: Target) => string, openHelp: () => void): Record<string, () => void> {
  const views = VIEWS.map((view, i): [string, () => void] => [String(i + 1), () => navigate(href({ view }))]);
  return {
    ...Object.fromEntries(views),
    "?": openHelp,
    "/": () => {
      if (focusSearch()) return;
      navigate(href({ view: "processes" }));
      // The field exists only after the view was rendered.
      setTimeout(focusSearch, 50);
    },
  };
}

function Links() {
  const href = useHref();
  const { t } = useSettings();
  const { view } = useRoute();
  return (
    <nav>
      {VIEWS.map((one) => (
        <a key={one} href={href({ view: one })} aria-current={one === view ? "page" : undefined}>
          {t(`frame.views.${one}`)}
        </a>
      ))}
    </nav>
  );
}

function Toggles({ onHelp }: { onHelp: () => void }) {
  const { t, lang, setLang } = useSettings();
  return (
    <div className="toggles">
      <ThemeToggle />
      <button
        type="button"
        data-testid="lang-toggle"
        lang={lang === "en" ? "es" : "en"}
        aria-label={t("frame.switchLanguage")}
        onClick={() => setLang(lang === "en" ? "es" : "en")}
      >
        {t("frame.otherLanguage")}
      </button>
      <button type="button" onClick={onHelp} aria-label={t("frame.help")} title={t("frame.help")} aria-keyshortcuts="?">
        ?
      </button>
    </div>
  );
}

function ThemeToggle() {
  const { t, themeChoice, nextThemeChoice: next, setThemeChoice } = useSettings();
  const change = t("frame.theme.change", { now: t(`frame.theme.name.${themeChoice}`), next: t(`frame.theme.name.${next}`) });
  return (
    <button type="button" className="theme" data-testid="theme-toggle" data-choice={themeChoice} aria-label={change} title={change} onClick={() => setThemeChoice(next)}>
      {t(`frame.theme.name.${themeChoice}`)}
    </button>
  );
}
