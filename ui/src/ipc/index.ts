// Chooses the port: Tauri's when this runs in the app's window; the fake in a plain browser, in development and test
// builds only. `__WITH_FAKE__` is a constant, so what is shipped does not carry the fake.
import { isTauri } from "@tauri-apps/api/core";
import type { Port } from "./port";
import { realPort } from "./real";

export async function openPort(): Promise<Port> {
  if (__WITH_FAKE__ && !isTauri()) {
    const { fakeFromAddress } = await import("./fake");
    return fakeFromAddress(new URLSearchParams(location.search));
  }
  return realPort;
}

export type * from "./port";
