import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// A running memtap; another one with MEMTAP_URL=http://host:port npm run dev.
const memtap = loadEnv("", ".", "MEMTAP_")["MEMTAP_URL"] ?? "http://127.0.0.1:3000";

/** The frame around every view, what it knows, and the packages for that. */
const FIRST = /node_modules\/(?!echarts|zrender|tslib|@tanstack)|src\/(main|App|lib|live|model|ui|i18n\/(index|en)|(charts|views)\/parts)\b/;
/** What more than one view draws with, but for ECharts itself. */
const SHARED = /node_modules\/@tanstack\/|src\/views\/processes\/|src\/charts\/(?!Chart|TimeChart|drawings)/;

export default defineConfig({
  plugins: [react()],
  build: {
    // light-dark() and nesting are left as written; these are the first browsers that have both.
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // The licences of what is bundled travel with it.
    license: { fileName: "licenses.md" },
    // ECharts, which comes after the first drawing; test/size.test.ts has the limits.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        // What several scripts share would else be a dozen of a kilobyte each.
        codeSplitting: {
          groups: [
            { name: "index", test: FIRST, priority: 2 },
            { name: "shared", test: SHARED, priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      // changeOrigin: memtap refuses a Host that is not its own.
      "/api": { target: memtap, changeOrigin: true },
      "/socket.io": { target: memtap, changeOrigin: true, ws: true },
    },
  },
});
