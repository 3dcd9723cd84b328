// The keys window, a page of its own: the shell grants it commands that the main window does not have.
import { mount } from "svelte";
import { openPort } from "./ipc";
import Keys from "./Keys.svelte";
import { Keys as KeysState } from "./state/keys.svelte";
import "./style/index.css";

const target = document.getElementById("app");
if (target) {
  const keys = new KeysState(await openPort());
  mount(Keys, { target, props: { keys } });
  await keys.start();
}
