import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// A running memtap; another one with MEMTAP_URL=http://host:port npm run dev.
const memtap = loadEnv("", ".", "MEMTAP_")["MEMTAP_URL"] ?? "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react()],
  build: {
    // light-dark() and nesting are left as written; these are the first browsers that have both.
    target: ["chrome123", "firefox120", "safari17.5"],
    // memtap embeds dist, and dist is committed: plain names keep its diffs small.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // The licences of what is bundled travel with it.
    license: { fileName: "licenses.md" },
    chunkSizeWarningLimit: 1100,
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: "assets/app.js",
        assetFileNames: "assets/app[extname]",
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
