import { defineConfig } from "vitest/config";

// The screens in Debian's Chromium, over the browser-test build. One browser, one file after the other.
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.spec.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
