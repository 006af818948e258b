import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// A running memtap. MEMTAP_URL=http://host:port npm run dev selects another one.
const memtap = loadEnv("", ".", "MEMTAP_")["MEMTAP_URL"] ?? "http://127.0.0.1:3000";

/** The frame around every view, the state, and their packages. */
const FIRST = /node_modules\/(?!echarts|zrender|tslib|@tanstack)|src\/(main|App|lib|live|model|ui|i18n\/(index|en)|(charts|views)\/parts)\b/;
/** Code that more than one view needs for rendering, except ECharts itself. */
const SHARED = /node_modules\/@tanstack\/|src\/views\/processes\/|src\/charts\/(?!Chart|TimeChart|drawings)/;

export default defineConfig({
  plugins: [react()],
  build: {
    // The first browsers with light-dark() and nesting, which are not transpiled.
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Write the licences of the bundled packages next to the bundle.
    license: { fileName: "licenses.md" },
    // Size of the script with ECharts, which loads after the first rendering. test/size.test.ts has
    // the limits.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        // Without this, code that several scripts share would become a dozen files of a kilobyte
        // each.
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
      // changeOrigin, because memtap refuses a Host that is not its own.
      "/api": { target: memtap, changeOrigin: true },
      "/socket.io": { target: memtap, changeOrigin: true, ws: true },
    },
  },
});
