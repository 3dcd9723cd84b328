// What jsdom lacks and the parts need.
import { afterEach, vi } from "vitest";
import { cleanup } from "@testing-library/svelte";

class NoObserver {
  observe() {
    /* jsdom lays nothing out */
  }
  unobserve() {
    /* jsdom lays nothing out */
  }
  disconnect() {
    /* jsdom lays nothing out */
  }
}
vi.stubGlobal("ResizeObserver", NoObserver);
vi.stubGlobal("IntersectionObserver", NoObserver);
// A test that asks for no page has none.
if (typeof Element !== "undefined") {
  Element.prototype.scrollIntoView = () => undefined;
  Element.prototype.animate ??= () => ({ cancel: () => undefined, finished: Promise.resolve() }) as unknown as Animation;
}

afterEach(() => cleanup());
