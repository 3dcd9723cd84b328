// The face of Waxwing. It shows what the shell tells, asks for what it needs and keeps no truth of its own.
//
//   ipc/      the one door to the shell (the only folder that names Tauri), and a fake shell for browsers and tests
//   state/    one class with runes per noun; re-reads after events; empties itself when the app locks
//   screens/  what a person sees, by noun: onboarding, lock, envelopes, drafts, contacts, settings, keys, secrets, help
//   parts/    fields, buttons, dialogs, lists; they know nothing of messages
//   text/     every visible sentence, English and German, and the total maps from codes to sentences
//   style/    the tokens: one type scale, one set of greys and ink, light and dark
//
// Each window is a page: this one is the main window, and keys.ts the keys window.
//
// screens → parts, state, text · state → ipc · parts → nothing. ESLint holds these edges.
import { mount } from "svelte";
import App from "./App.svelte";
import { openPort } from "./ipc";
import { Face } from "./state/face.svelte";
import "./style/index.css";

const target = document.getElementById("app");
if (target) {
  const face = new Face(await openPort());
  mount(App, { target, props: { face } });
  await face.start();
}
