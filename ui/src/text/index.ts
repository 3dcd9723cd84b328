// Every visible sentence has its home in en.json and de.json; this is where the rest of the face gets them.
// Sentences are functions of a reactive locale, so changing the language redraws what is on the screen.
export { m } from "./generated/messages.js";
export { follow } from "./locale.svelte";
export * from "./format";
export * from "./sayings";
