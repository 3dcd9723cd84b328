// The keyboard alone, for the specs.
import type { Page } from "playwright-core";

/** Presses Tab until the focus is on what matches, and fails when it never is. */
export async function tabTo(page: Page, name: RegExp, key = "Tab"): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    const text = await page.evaluate(() => {
      const at = document.activeElement;
      const label = at instanceof HTMLInputElement ? (at.labels?.[0]?.textContent ?? "") : "";
      return `${at?.getAttribute("aria-label") ?? ""}${label}${at?.tagName === "BUTTON" ? (at.textContent ?? "") : ""}`.trim();
    });
    if (name.test(text)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`Tab never reached ${name}`);
}
