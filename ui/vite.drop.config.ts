// The visitor's page of a drop box, which the relay serves under /drop/ (crates/relay/src/http/page.rs). A build of its own: the
// app carries nothing of it, and it carries nothing of the app.
import { paraglideVitePlugin } from "@inlang/paraglide-js";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { paraglide } from "./vite.config.ts";

export default defineConfig({
  plugins: [paraglideVitePlugin(paraglide), svelte()],
  // The page lies at drop/<id> and its files beside it, wherever the relay's own address ends.
  base: "./",
  build: {
    outDir: "dist-drop",
    emptyOutDir: true,
    // Phones are older than the app's own web engines; `light-dark()` is written out for them.
    target: ["safari16.4", "chrome111", "firefox115"],
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: { input: "drop.html" },
  },
});
