// Holds the edges between the folders of src/, keeps imports free of circles, and checks Svelte and TypeScript.
import importX from "eslint-plugin-import-x";
import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const tauri = { group: ["@tauri-apps/*"], message: "Only ipc/ speaks with Tauri." };
const to = (folder, message) => ({
  group: [`**/${folder}`, `**/${folder}/**`],
  message,
  allowTypeImports: folder === "ipc",
});

/** What the files of one folder may not import. */
const fence = (folder, ...patterns) => ({
  files: [`src/${folder}/**/*.{ts,svelte}`],
  ignores: ["src/**/*.test.ts"],
  rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: [tauri, ...patterns] }] },
});

export default ts.config(
  { ignores: ["dist", "dist-drop", "src/text/generated", "src/ipc/bindings.ts", "node_modules"] },
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    plugins: { "import-x": importX },
    settings: {
      "import-x/resolver-next": [createTypeScriptImportResolver({ project: "./tsconfig.json" })],
      "import-x/parsers": { "@typescript-eslint/parser": [".ts", ".js"] },
      "import-x/extensions": [".ts", ".js"],
      "import-x/ignore": ["\\.svelte$", "node_modules"],
    },
    rules: {
      "import-x/no-cycle": "error",
      "import-x/no-self-import": "error",
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
    // Svelte assigns these from outside the script.
    rules: { "prefer-const": "off", "svelte/prefer-const": ["error", { excludedRunes: ["$props", "$state"] }] },
  },
  { files: ["**/*.js", "*.ts", "tests/**/*.ts"], languageOptions: { globals: { ...globals.node } } },

  fence("parts", to("ipc", "Parts know nothing."), to("state", "Parts know nothing."), to("text", "Words reach parts as properties."), to("screens", "Parts know nothing.")),
  fence("text", to("ipc", "Text needs only types."), to("state", "Text knows no state."), to("screens", "Text knows no screens."), to("parts", "Text knows no parts.")),
  fence("state", to("text", "State speaks in codes."), to("screens", "State knows no screens."), to("parts", "State knows no parts.")),
  fence("drop", to("ipc", "The visitor's page has no shell."), to("state", "The visitor's page keeps its own."), to("screens", "The visitor's page is no part of the app.")),
  fence("screens", to("drop", "The visitor's page is no part of the app."), to("ipc", "Screens reach the shell through state/.")),
);
