// Every state of the visitor's page, and how a visit comes to it: for axe and for pictures.
import type { Page } from "playwright-core";
import type { Visited } from "./visited";

export type Visit = { locale?: string; before?: (relay: Visited) => void; fragment?: string; act?: (page: Page) => Promise<void> };

export const file = (name: string, size: number) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.alloc(size, 7) });
const choose = (page: Page, ...files: ReturnType<typeof file>[]) => page.locator("input[type=file]").setInputFiles(files);
const write = async (page: Page) => {
  await page.getByRole("textbox").first().fill("Good morning,\n\nthe back door was open again at seven. The picture shows it, and the log has the times.\n\nPlease do not call me at work.");
  await page.getByRole("textbox").nth(1).fill("Locker 12, any day after six");
  await choose(page, file("back-door.jpg", 2_500_000), file("times of the week before last, all doors.csv", 38_400));
};
const send = (page: Page) => page.locator("button[type=submit]").click();
const problem = (status: number, slug: string): Pick<Visit, "before" | "act"> => ({
  before: (relay) => relay.trick("POST", /envelopes$/, { status, slug }),
  act: async (page) => {
    await write(page);
    await send(page);
    await page.getByRole("alert").waitFor();
  },
});
const alone = (status: number, slug: string): Visit => ({ before: (relay) => relay.trick("GET", /./, { status, slug }) });

export const visits: Record<string, Visit> = {
  "40-visit": {},
  "40b-visit-written": { act: write },
  "40c-visit-sending": {
    before: (relay) => relay.trick("PATCH", /./, "hold", 99),
    act: async (page) => {
      await write(page);
      await send(page);
      await page.getByText(/sending, 0/).waitFor();
    },
  },
  "40d-visit-receipt": {
    act: async (page) => {
      await write(page);
      await send(page);
      await page.getByRole("heading", { name: "Sealed and handed over" }).waitFor();
    },
  },
  "40e-visit-cut": {
    before: (relay) => relay.trick("POST", /envelopes$/, "cutBefore"),
    act: problem(0, "").act,
  },
  "40f-visit-full": problem(429, "drop-full"),
  "40g-visit-too-large": { before: (relay) => (relay.limits.attachment_bytes = 1_000_000), act: write },
  "40h-visit-nothing": { act: send },
  "40i-visit-once-plain": { before: (relay) => Object.assign(relay, { once: true }) },
  "40j-visit-german": { locale: "de-DE", act: write },
  "40k-visit-leaf": { act: (page) => page.getByText("What this page promises").click() },
  "41-visit-no-fragment": { fragment: "" },
  "41b-visit-fragment": { fragment: "#ftHmlWnqMfgStGqtliV3" },
  "41c-visit-differs": { fragment: "#ftHmlWnqMfgStGqtliV3hA_BlO0e1C3m58FP8lFTc-s" },
  "41d-visit-gone": alone(404, "unknown-drop"),
  "41e-visit-ended": alone(410, "drop-ended"),
  "41f-visit-offline": { before: (relay) => relay.trick("GET", /./, "cutBefore", 9) },
  "41g-visit-ended-german": { ...alone(410, "drop-ended"), locale: "de-DE" },
};

/** Waits until the page says what it found. */
export const settled = (page: Page) => page.getByRole("heading", { level: 1 }).waitFor();
