// The visitor's page of a drop box: what it sends opens with the box's key, what fails loses nothing, and nothing comes twice.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { findings } from "./axe";
import { tabTo } from "./keyboard";
import { NOON, raise, type Stage } from "./stage";
import { visited, type Visited } from "./visited";
import { file, settled, visits } from "./visits";

const PHONE = { width: 360, height: 640 };

let stage: Stage;
let relay: Visited;
beforeAll(async () => {
  [stage, relay] = await Promise.all([raise(), visited(() => NOON.getTime() / 1000)]);
});
afterAll(async () => {
  relay.close();
  await stage.close();
});
beforeEach(() => relay.reset());

const open = async (options?: Parameters<Stage["visit"]>[1]) => {
  const page = await stage.visit(relay.link(), options);
  await settled(page);
  return page;
};
const message = (page: Page) => page.getByLabel("Your message");
const choose = (page: Page, ...files: ReturnType<typeof file>[]) => page.locator("input[type=file]").setInputFiles(files);
const send = (page: Page) => page.getByRole("button", { name: "Seal and send" }).click();
const again = (page: Page) => page.getByRole("button", { name: "Try again" }).click();
const done = (page: Page) => page.getByRole("heading", { name: "Sealed and handed over" }).waitFor();
/** Errors of the network that a test makes are said by the browser, too. */
const expected = () => stage.violations.splice(0).filter((one) => !/Failed to load resource|ERR_EMPTY_RESPONSE/.test(one));

test("what a visitor writes and adds opens with the box's key, and both see one number", async () => {
  const page = await open();
  expect(await page.title()).toBe("Write to Alice, front desk – Waxwing");
  await page.getByText("Open until December 21, 2026").waitFor();
  await message(page).fill("Under the third stone.\nÄöü 日本 🕊");
  await page.getByLabel("How to reach you").fill("by post, to Bob");
  await choose(page, file("report.pdf", 2_500_000), file("empty.txt", 0));
  await send(page);
  await done(page);
  const [drop] = await relay.opened();
  expect(drop).toMatchObject({ text: "Under the third stone.\nÄöü 日本 🕊", reach: "by post, to Bob" });
  expect(drop?.files.map(({ name, content }) => [name, content.length, content.every((byte) => byte === 7)])).toEqual([["report.pdf", 2_500_000, true], ["empty.txt", 0, true]]);
  await page.getByText(drop?.number ?? "no drop", { exact: true }).waitFor();
  expect(await page.locator("body").textContent()).not.toContain("third stone");
  await page.getByRole("button", { name: "Write another message" }).click();
  expect(await message(page).inputValue()).toBe("");
  expect(expected()).toEqual([]);
});

test("by keyboard alone", async () => {
  const page = await open({ viewport: PHONE });
  await page.keyboard.press("Tab");
  await page.keyboard.type("No mouse was used.");
  await tabTo(page, /^Add files$/);
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles([file("one.txt", 10), file("two.txt", 10)]);
  await page.getByRole("button", { name: "Take one.txt off" }).waitFor();
  await tabTo(page, /^Take one.txt off/, "Shift+Tab");
  await page.keyboard.press("Enter");
  await tabTo(page, /^Seal and send$/);
  await page.keyboard.press("Enter");
  await done(page);
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
  const [drop] = await relay.opened();
  expect([drop?.text, drop?.files.map(({ name }) => name)]).toEqual(["No mouse was used.", ["two.txt"]]);
});

test("an answer that is lost makes no second message", async () => {
  const page = await open();
  await message(page).fill("Once.");
  relay.trick("POST", /envelopes$/, "cutAfter");
  await send(page);
  await page.getByText("The connection was cut").waitFor();
  expect(await message(page).inputValue()).toBe("Once.");
  await again(page);
  await done(page);
  expect((await relay.opened()).map(({ text }) => text)).toEqual(["Once."]);
  expect(expected()).toEqual([]);
});

test("changed words after a lost answer are another message, and that is said", async () => {
  const page = await open();
  await message(page).fill("First words.");
  relay.trick("POST", /envelopes$/, "cutAfter");
  await send(page);
  await page.getByText("The connection was cut").waitFor();
  await message(page).fill("Other words.");
  await page.getByText("may have arrived").waitFor();
  await send(page);
  await done(page);
  expect((await relay.opened()).map(({ text }) => text)).toEqual(["First words.", "Other words."]);
  expected();
});

test("a file goes on where the connection was cut", async () => {
  const page = await open();
  await choose(page, file("long.bin", 4_000_000));
  relay.trick("PATCH", /./, "cutAfter");
  await send(page);
  await page.getByText("The connection was cut").waitFor();
  relay.trick("PATCH", /./, "cutBefore");
  await again(page);
  await page.getByText("The connection was cut").waitFor();
  await again(page);
  await done(page);
  const [drop] = await relay.opened();
  expect([drop?.files[0]?.content.length, relay.pieces]).toEqual([4_000_000, 4]);
  expected();
});

test("a long file waits where the relay is asked too often", async () => {
  const page = await open();
  await choose(page, file("long.bin", 2_500_000));
  relay.trick("PATCH", /./, { status: 429, slug: "too-many-requests" }, 2);
  await send(page);
  await done(page);
  expect((await relay.opened())[0]?.files[0]?.content.length).toBe(2_500_000);
  expected();
});

test("what the network broke off goes on by itself when it is back", async () => {
  const page = await open();
  await message(page).fill("In a tunnel.");
  await page.context().setOffline(true);
  await send(page);
  await page.getByText("The connection was cut").waitFor();
  await page.context().setOffline(false);
  await done(page);
  expect(await relay.opened()).toHaveLength(1);
  expected();
});

test("a file that is taken off on its way is left out, and stopping loses nothing", async () => {
  const page = await open();
  await message(page).fill("With one file.");
  await choose(page, file("first.bin", 3_000_000), file("second.txt", 10));
  relay.trick("PATCH", /./, "hold", 2);
  await send(page);
  await page.getByText(/sending, 0/).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Seal and send" }).waitFor();
  expect(await message(page).inputValue()).toBe("With one file.");
  relay.release();
  await send(page);
  await page.getByRole("button", { name: "Take first.bin off" }).click();
  await done(page);
  relay.release();
  const [drop] = await relay.opened();
  expect([drop?.text, drop?.files.map(({ name }) => name)]).toEqual(["With one file.", ["second.txt"]]);
  expected();
});

test("what the relay refuses is said, and stays where it was written", async () => {
  const said: [number, string, string][] = [
    [410, "drop-ended", "This box has ended meanwhile"],
    [429, "drop-full", "This box is full just now"],
    [429, "too-many-requests", "Too many visitors"],
    [413, "too-large", "too large for it"],
    [500, "internal", "could not take it"],
  ];
  const page = await open();
  await message(page).fill("Still here.");
  for (const [status, slug, sentence] of said) {
    relay.trick("POST", /envelopes$/, { status, slug });
    await page.locator("button[type=submit]").click();
    await page.getByRole("alert").getByText(sentence).waitFor();
    expect(await message(page).inputValue()).toBe("Still here.");
  }
  await again(page);
  await done(page);
  expect(await relay.opened()).toHaveLength(1);
  expected();
});

test("a key that the link does not name gets nothing, whoever shows it", async () => {
  relay.record = Buffer.from(relay.record);
  relay.record.writeUInt8(relay.record.readUInt8(60) ^ 1, 60);
  const page = await stage.visit(relay.link());
  await page.getByRole("alert").getByText("This is another key than the link says").waitFor();
  expect(await page.getByRole("textbox").count()).toBe(0);
  expect(expected()).toEqual([]);
});

for (const [name, visit] of Object.entries(visits)) {
  test(`${name} is free of what axe finds, and fits a phone`, async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await relay.reset();
      visit.before?.(relay);
      const page = await stage.visit(relay.link(visit.fragment), { viewport: PHONE, colorScheme, ...(visit.locale && { locale: visit.locale }) });
      await settled(page);
      await visit.act?.(page);
      expect(await findings(page, true)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width);
      relay.release();
      await page.context().close();
    }
    expect(expected()).toEqual([]);
  });
}
