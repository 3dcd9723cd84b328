/// <reference types="vitest/config" />
import { paraglideVitePlugin } from "@inlang/paraglide-js";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vite";

export const paraglide = {
  project: "./project.inlang",
  outdir: "./src/text/generated",
  strategy: ["globalVariable", "baseLocale"] as ("globalVariable" | "baseLocale")[],
  emitTsDeclarations: true,
};

// `vite build --mode browser-test` is the only build that carries the fake relay; it goes outside dist/.
export default defineConfig(({ command, mode }) => {
  const withFake = command === "serve" || mode === "browser-test";
  return {
    plugins: [
      paraglideVitePlugin(paraglide),
      svelte(),
      ...(mode === "test" ? [svelteTesting()] : []),
    ],
    define: { __WITH_FAKE__: JSON.stringify(withFake) },
    clearScreen: false,
    server: { port: 5173, strictPort: true, host: "localhost" },
    build: {
      outDir: mode === "browser-test" ? "../target/ui-browser-test" : "dist",
      emptyOutDir: true,
      target: ["safari17.5", "chrome123"],
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // One page for each window.
      rolldownOptions: { input: ["index.html", "keys.html"] },
    },
    test: {
      environment: "jsdom",
      include: ["src/**/*.test.ts"],
      setupFiles: ["./tests/setup.ts"],
    },
  };
});
