// The main flows with the keyboard alone: from the welcome to a test envelope, writing, reading, contacts, locking.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tabTo } from "./keyboard";
import { raise, type Stage } from "./stage";

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
});
afterAll(() => stage.close());

const focused = (page: Page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    return at?.getAttribute("aria-label") ?? at?.id ?? at?.tagName ?? "";
  });

test("the first run", async () => {
  const page = await stage.open("welcome");
  await tabTo(page, /^Set up Waxwing$/);
  await page.keyboard.press("Enter");
  await page.getByLabel("Name", { exact: true }).waitFor();
  await page.keyboard.type("alice");
  expect(await page.getByTestId("address-preview").textContent()).toBe("alice@localhost");
  await page.keyboard.press("Enter");
  const words = page.getByTestId("suggested-passphrase");
  await words.waitFor();
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.type((await words.textContent()) ?? "");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your recovery code" }).waitFor();
  const groups = await page.locator("main").getByRole("listitem").evaluateAll((items) => items.map((item) => item.getAttribute("aria-label") ?? ""));
  expect(groups).toHaveLength(6);
  await tabTo(page, /^I have kept it$/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Check what you kept" }).waitFor();
  for (const field of await page.getByLabel(/^Group \d$/).all()) {
    const label = await field.evaluate((input: HTMLInputElement) => input.labels?.[0]?.textContent ?? "");
    await field.focus();
    await page.keyboard.insertText(groups.find((group) => group.startsWith(label))?.replace(`${label}: `, "") ?? "");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ready" }).waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/ladder|violin/);
  await tabTo(page, /^Open Waxwing$/);
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: /A test envelope/ }).waitFor();
  expect(stage.violations).toEqual([]);
});

test("write, send, and see what becomes of it", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+n");
  await page.getByRole("combobox", { name: "To" }).waitFor();
  await page.waitForTimeout(100);
  await page.keyboard.type("bob");
  await page.getByRole("option", { name: /Bob/ }).last().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove Bob" }).waitFor();
  await tabTo(page, /^Subject$/);
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Tab");
  await page.keyboard.type("No mouse was used.");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("article", { name: "By keyboard" }).waitFor();
  await page.clock.runFor(1000);
  await page.getByRole("article").getByText("At the relay").waitFor();
  expect(await page.getByRole("status").first().textContent()).toContain("Sealed");
});

test("read, reply, close, delete", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+1");
  await tabTo(page, /^Inbox$/);
  await page.keyboard.press("j");
  await page.getByRole("article", { name: "Key codes for Thursday" }).waitFor();
  await page.keyboard.press("j");
  await page.getByRole("article", { name: /Case 4412/ }).waitFor();
  await page.keyboard.press("Control+r");
  await page.getByRole("form", { name: "Reply" }).waitFor();
  expect(await page.getByLabel("Subject").inputValue()).toBe("Re: Case 4412: the log you asked for");
  await page.keyboard.press("Escape");
  await page.getByRole("article", { name: /Case 4412/ }).waitFor();
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("Delete");
  await page.getByRole("alertdialog", { name: "Delete this envelope?" }).waitFor();
  await tabTo(page, /^Delete$/);
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: /Case 4412/ }).waitFor({ state: "detached" });
});

test("the list by arrows, and F6 through the window", async () => {
  const page = await stage.open("open");
  await page.getByRole("listbox", { name: "Inbox" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  expect(await page.getByRole("option", { selected: true }).getAttribute("aria-posinset")).toBe("2");
  await page.keyboard.press("End");
  expect(await page.getByRole("option", { selected: true }).getAttribute("aria-posinset")).toBe("14");
  await page.keyboard.press("F6");
  expect(await focused(page)).toBe("Reading and writing");
  await page.keyboard.press("F6");
  expect(await focused(page)).toMatch(/^Inbox/);
  await page.keyboard.press("Shift+F6");
  expect(await focused(page)).toBe("Reading and writing");
});

test("compare a key code, from the palette", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("contacts");
  // What is chosen follows what is typed a moment later.
  await page.getByRole("option", { name: /^Contacts/, selected: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("listbox", { name: "Contacts" }).focus();
  await page.keyboard.press("End");
  await page.getByRole("heading", { name: "Support desk" }).waitFor();
  await tabTo(page, /^They are the same$/);
  await page.keyboard.press("Enter");
  await page.getByRole("main").getByText(/Key compared on/).waitFor();
});

test("a stranger's letter says so, and they are added from it", async () => {
  const page = await stage.open("open");
  await page.getByRole("option", { name: /Your new lock/ }).click();
  const letter = page.getByRole("article", { name: "Your new lock" });
  const words = letter.getByText("Not among your contacts");
  await words.waitFor();
  expect((await words.boundingBox())?.width).toBeGreaterThan(80);
  await page.keyboard.press("Control+r");
  await page.getByRole("button", { name: "Remove locksmith" }).waitFor();
  await page.keyboard.press("Escape");
  await words.waitFor();
  await tabTo(page, /^Add to contacts$/);
  await page.keyboard.press("Enter");
  await words.waitFor({ state: "detached" });
  expect(await focused(page)).toBe("Reading and writing");
  expect(await page.locator(".said").textContent()).toBe("locksmith is now among your contacts.");
  await page.keyboard.press("Control+5");
  await page.getByRole("option", { name: /^locksmith/ }).waitFor();
});

test("a drop box is made, its link copied, and deleted with what is lost said before", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+6");
  await page.getByRole("listbox", { name: "Drop boxes" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.getByRole("heading", { name: "Front desk" }).waitFor();
  await page.keyboard.press("Control+Shift+B");
  await page.getByLabel("Name that visitors see").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("Alice, upstairs");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("radio", { name: "7 days", checked: true }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.getByRole("radio", { name: "One message only", checked: true }).waitFor();
  await page.keyboard.press("Enter");
  await tabTo(page, /^Make the drop box$/);
  await page.keyboard.press("Enter");
  await page.getByText("Open for one message, until November 28, 2026").first().waitFor();
  await tabTo(page, /^Copy the link$/);
  await page.keyboard.press("Enter");
  expect(await page.locator(".said").textContent()).toBe("The link is copied.");
  await tabTo(page, /^Show as a QR code$/);
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: "QR code of the link" }).waitFor();
  await page.getByRole("option", { name: /^Front desk/ }).click();
  await tabTo(page, /^Delete this drop box$/);
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").getByText("2 messages wait and will never be opened.").waitFor();
  await tabTo(page, /^Delete$/);
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: /^Front desk/ }).waitFor({ state: "detached" });
  expect(stage.violations).toEqual([]);
});

test("a second start is said in the status bar, which does not move", async () => {
  const page = await stage.open("open");
  const bar = page.getByRole("contentinfo");
  const shape = () => bar.locator("button").evaluateAll((all) => all.map((one) => JSON.stringify(one.getBoundingClientRect())));
  await bar.getByRole("button", { name: /Outbox/ }).waitFor();
  const before = await shape();
  await page.evaluate(() => (window as unknown as { waxwingFake: { tell: (event: string, payload: object) => void } }).waxwingFake.tell("reopened", {}));
  const said = bar.getByText("This vault was already open here.");
  await said.waitFor();
  expect(await page.locator(".said").textContent()).toBe("This vault was already open here.");
  expect(await shape()).toEqual(before);
  await page.clock.runFor(9000);
  await said.waitFor({ state: "detached" });
});

test("an unexplained change is decided on purpose", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+5");
  await page.getByRole("option", { name: /^Clinic/ }).click();
  await page.getByText("Sending to Clinic, front desk is held.").waitFor();
  await tabTo(page, /^Accept without comparing$/);
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").waitFor();
  await tabTo(page, /^Accept the key$/);
  await page.keyboard.press("Enter");
  await page.getByText("Sending to Clinic, front desk is held.").waitFor({ state: "detached" });
});

test("the sheet lists every action; locking leaves nothing behind", async () => {
  const page = await stage.open("open");
  await page.keyboard.press("Control+/");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  expect(await page.getByRole("dialog").getByRole("definition").count()).toBeGreaterThan(20);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+l");
  await page.getByRole("heading", { name: "Waxwing is locked" }).waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/Bob|Thursday|Clinic/);
  await page.keyboard.type("harbour violin cactus amber tunnel lantern mosaic");
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Folders" }).waitFor();
  expect(stage.violations).toEqual([]);
});

test("a backup is restored over a locked vault, its words completed as they are typed", async () => {
  const page = await stage.open("locked");
  await tabTo(page, /^Restore a backup$/);
  await page.keyboard.press("Enter");
  await tabTo(page, /^Choose the backup …$/);
  await page.keyboard.press("Enter");
  const field = page.getByLabel("Recovery code");
  await field.and(page.locator(":focus")).waitFor();

  // Words that begin so are offered; Escape closes, arrows choose, Enter takes.
  await page.keyboard.type("lad");
  await page.getByRole("option", { name: "ladder" }).waitFor();
  expect(await field.getAttribute("aria-activedescendant")).toBeNull();
  await page.keyboard.press("Escape");
  expect(await page.getByRole("option").count()).toBe(0);
  await page.keyboard.type("d");
  await page.keyboard.press("ArrowDown");
  expect(await page.locator(`[id="${await field.getAttribute("aria-activedescendant")}"]`).textContent()).toContain("ladder");
  await page.keyboard.press("Enter");
  expect(await field.inputValue()).toBe("ladder ");
  await page.keyboard.insertText(
    "quiz orbit velvet anchor maple tiger canvas bronze willow ember garden hollow pepper signal teapot umbrella fabric crystal meadow napkin puzzle summit raven",
  );
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.insertText((await page.getByTestId("suggested-passphrase").textContent()) ?? "");
  await tabTo(page, /^Restore$/);
  await page.keyboard.press("Enter");
  await page.getByText("These words do not belong together").waitFor();
  await field.and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(
    "ladder quiz orbit velvet anchor maple tiger canvas bronze willow ember garden hollow pepper signal teapot umbrella fabric crystal meadow napkin puzzle raven summit",
  );
  await tabTo(page, /^Restore$/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "The backup is restored" }).waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/velvet/);
  await tabTo(page, /^Open Waxwing$/);
  await page.keyboard.press("Enter");
  await page.getByRole("listbox").first().waitFor();
  expect(stage.violations).toEqual([]);
});
