// How screens reach the state without passing it through every one of them.
import { createContext } from "svelte";
import type { Face } from "./face.svelte";
import type { Frame } from "./frame.svelte";
import type { Keys } from "./keys.svelte";

/** What is in every window, for screens that stand in more than one. */
export const [useFrame, provideFrame] = createContext<Frame>();
/** The main window. */
export const [useFace, provideFace] = createContext<Face>();
/** The keys window. */
export const [useKeys, provideKeys] = createContext<Keys>();
