// How screens reach the state without passing it through every one of them.
import { createContext } from "svelte";
import type { Face } from "./face.svelte";

export const [useFace, provideFace] = createContext<Face>();
