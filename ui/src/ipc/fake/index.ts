import type { Port } from "../port";
export function fakeFromAddress(_: URLSearchParams): Port { throw new Error("not yet"); }
