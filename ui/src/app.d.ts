/// <reference types="svelte" />
/// <reference types="vite/client" />

/** True in `vite dev`, in unit tests and in the browser-test build; false in what is shipped. */
declare const __WITH_FAKE__: boolean;
