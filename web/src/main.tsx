import { createRoot } from "react-dom/client";
import { App } from "./App";
import { parseRoute } from "./lib/route";
import { connect } from "./live/connect";
import { SettingsProvider, startLanguage } from "./ui/settings";
import { fetchView } from "./views/parts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/table.css";
import "./styles/log.css";
import "./styles/cards.css";
import "./styles/overview.css";
import "./styles/process.css";
import "./styles/health.css";
import "./styles/reports.css";
import "./styles/findings.css";

const root = document.getElementById("root");
if (root !== null) {
  // Start these at the same time: the socket, the view's script, and the language.
  connect();
  fetchView(parseRoute(location.hash).view);
  await startLanguage();
  createRoot(root).render(
    <SettingsProvider>
      <App />
    </SettingsProvider>,
  );
}
