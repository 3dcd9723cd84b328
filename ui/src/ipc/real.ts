// The port over Tauri's IPC: the generated commands and events, checked against the interface by the compiler.
import { commands, events } from "./bindings";
import type { Events, Port, Unlisten } from "./port";

type Listeners = { [K in keyof Events]: { listen(cb: (event: { payload: Events[K] }) => void): Promise<Unlisten> } };

const listeners: Listeners = events;

export const realPort: Port = {
  ...commands,
  listen: (event, heard) => listeners[event].listen((told) => heard(told.payload)),
};
