// Linking computers, on the old one and the new one: with the keyboard alone, with what goes wrong, and given up at each step.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Device, History, LinkStatus } from "../../src/ipc";
import { tabTo } from "./keyboard";
import { raise, type Stage } from "./stage";

const opensVault = "harbour violin cactus amber tunnel lantern mosaic";
const FIVE_MINUTES = 300_000;

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
});
afterAll(() => stage.close());

type Fake = { linkTo: (status: LinkStatus) => void; historyTo: (history: History) => void; calls: string[]; world: { devices: Device[] } };
/** What the other computer does. */
const linkTo = (page: Page, status: LinkStatus) => page.evaluate((to) => (window as unknown as { waxwingFake: Fake }).waxwingFake.linkTo(to), status);
const calls = (page: Page, name: string) =>
  page.evaluate((wanted) => (window as unknown as { waxwingFake: Fake }).waxwingFake.calls.filter((call) => call === wanted).length, name);
const inPage = (page: Page, seconds: number) => page.evaluate((left) => Date.now() + left * 1000, seconds);
const focusOn = (page: Page, role: "textbox" | "button" | "heading", name: string | RegExp) =>
  page.getByRole(role, { name }).and(page.locator(":focus")).waitFor();

async function devices(): Promise<Page> {
  const page = await stage.open("open", { window: "keys" });
  await page.keyboard.press("Control+2");
  await focusOn(page, "heading", "Devices");
  return page;
}

/** The old computer asks for the text. */
async function asked(): Promise<Page> {
  const page = await devices();
  await tabTo(page, /^Link a computer …$/);
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The text from the other computer");
  return page;
}

/** The old computer asks for the code. */
async function accepted(): Promise<Page> {
  const page = await asked();
  await page.keyboard.insertText("waxwing-link:abc");
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The four digits");
  return page;
}

/** The new computer shows an invitation. */
async function invited(): Promise<Page> {
  const page = await stage.open("welcome");
  await tabTo(page, /^Link to my other computer$/);
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "What to call this computer");
  await page.keyboard.type("Workshop");
  await tabTo(page, /^Address of the relay$/);
  await page.keyboard.insertText("https://relay.example");
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: "QR code of the link" }).waitFor();
  await focusOn(page, "heading", "Link to my other computer");
  return page;
}

test("the old computer takes the text, the code and the passphrase, and lists the new one", async () => {
  const page = await asked();
  await page.keyboard.insertText("waxwing");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("This is not the whole text that the new computer shows.").waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("waxwing-link:abc");
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The four digits");
  await page.getByText("Workshop shows four digits now.").waitFor();

  // Only digits, and four of them.
  await page.keyboard.insertText("00-00 77");
  expect(await page.getByLabel("The four digits").inputValue()).toBe("0000");
  await page.keyboard.press("Tab");
  await page.keyboard.type("not this");
  await page.keyboard.press("Enter");
  await page.getByText("Tries left: 2.").waitFor();
  await focusOn(page, "textbox", "The four digits");
  await page.keyboard.type("4711");
  await page.keyboard.press("Enter");
  await page.getByText("That passphrase does not open this vault.").waitFor();
  // It is selected, to be typed over.
  await focusOn(page, "textbox", "Current passphrase");
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("Workshop is linked").waitFor();
  await focusOn(page, "button", "Link a computer …");
  expect(await page.getByRole("list", { name: "Devices" }).getByRole("listitem").count()).toBe(3);
  expect(await page.locator("body").textContent()).not.toMatch(/4711|harbour/);

  // It is told once.
  await page.keyboard.press("Control+6");
  await page.getByRole("option", { name: /Workshop/ }).first().waitFor();
  await page.keyboard.press("Control+2");
  await page.getByRole("button", { name: "Remove Workshop" }).waitFor();
  expect(await page.getByText("Workshop is linked").count()).toBe(0);
  expect(stage.violations).toEqual([]);
});

test("how far a history is stands beside the new computer, and it is sent again when it did not arrive", async () => {
  const page = await accepted();
  await page.keyboard.insertText("4711");
  await page.keyboard.press("Tab");
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  const workshop = page.getByRole("list", { name: "Devices" }).getByRole("listitem").filter({ hasText: "Workshop" });
  const line = "Contacts and messages on their way: 2.4 MB of 9.8 MB.";
  await workshop.getByText(line).waitFor();
  expect(await workshop.getByRole("progressbar", { name: line }).getAttribute("aria-valuenow")).toBe("24");
  const device = await page.evaluate(() => (window as unknown as { waxwingFake: Fake }).waxwingFake.world.devices.at(-1)?.id ?? "");
  const to = (state: History["state"]) =>
    page.evaluate(
      (turned) => void (window as unknown as { waxwingFake: Fake }).waxwingFake.historyTo(turned),
      { device, name: "Workshop", isGiven: true, state },
    );
  await to({ kind: "failed", since: await inPage(page, 0) });
  await workshop.getByText("Your contacts and messages did not get there.").waitFor();
  await tabTo(page, /^Send again to Workshop/);
  await page.keyboard.press("Enter");
  await workshop.getByText("as soon as it has published its keys").waitFor();
  await to({ kind: "done", since: await inPage(page, 0) });
  await workshop.getByText("Has had your contacts and messages since").waitFor();
  expect(await calls(page, "giveHistory")).toBe(1);
  expect(stage.violations).toEqual([]);
});

test("three wrong codes end it, and one begins again", async () => {
  const page = await accepted();
  await page.keyboard.press("Tab");
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Shift+Tab");
  for (const left of [2, 1]) {
    await page.keyboard.type("0000");
    await page.keyboard.press("Enter");
    await page.getByText(`Tries left: ${left}.`).waitFor();
    await focusOn(page, "textbox", "The four digits");
  }
  await page.keyboard.type("0000");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("The link was ended, and nothing was given away.").waitFor();
  await focusOn(page, "button", "Begin again");
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The text from the other computer");
  await page.keyboard.insertText("waxwing-link:abc");
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The four digits");
  expect(await page.getByLabel("Current passphrase").inputValue()).toBe("");
  expect(stage.violations).toEqual([]);
});

test("a link that the other computer ends, and one whose time is over, say so", async () => {
  for (const [end, words] of [
    [(page: Page) => linkTo(page, { kind: "failed", failure: { kind: "linkEnded" } }), "The link was ended on the other computer."],
    [(page: Page) => page.clock.fastForward(FIVE_MINUTES), "The time of this link is over"],
  ] as const) {
    const old = await accepted();
    await end(old);
    await old.getByRole("alert").getByText(words).waitFor();
    await focusOn(old, "button", "Begin again");
    const fresh = await invited();
    await end(fresh);
    await fresh.getByRole("alert").getByText(words).waitFor();
    // What was typed is still there.
    expect(await fresh.getByLabel("What to call this computer").inputValue()).toBe("Workshop");
  }
  expect(stage.violations).toEqual([]);
});

test("the countdown is read by who looks for it, and said aloud once", async () => {
  for (const page of [await accepted(), await invited()]) {
    const timer = page.getByRole("timer");
    const said = page.locator(".said");
    await timer.getByText(/^(5:00|4:5\d) left$/).waitFor();
    expect(await timer.evaluate((at) => at.closest("[aria-live], [role=status], [role=alert], output, [aria-describedby]") === null)).toBe(true);
    const before = await said.allTextContents();
    await page.clock.fastForward(3000);
    await timer.getByText(/^4:5\d left$/).waitFor();
    expect(await said.allTextContents()).toEqual(before);
    await page.clock.fastForward(FIVE_MINUTES - 60_000);
    await timer.getByText(/^0:5\d left$/).waitFor();
    await said.getByText("1:00 left").waitFor();
  }
  expect(stage.violations).toEqual([]);
});

test("a QR code is read from a picture; a picture without one says so", async () => {
  const page = await asked();
  await tabTo(page, /^Use the copied picture$/);
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "The four digits");
  const other = await stage.open("open", { window: "keys", query: "&fail=acceptLinkFile:noLinkCode" });
  await other.keyboard.press("Control+2");
  await other.getByRole("button", { name: "Link a computer …" }).click();
  await other.getByRole("button", { name: "Choose a picture …" }).click();
  await other.getByRole("alert").getByText("No QR code of a link was found in the picture.").waitFor();
  expect(stage.violations).toEqual([]);
});

test("the old computer gives up at each step", async () => {
  const text = await asked();
  await tabTo(text, /^Cancel$/);
  await text.keyboard.press("Enter");
  await focusOn(text, "button", "Link a computer …");

  const code = await accepted();
  await tabTo(code, /^Cancel$/);
  await code.keyboard.press("Enter");
  await focusOn(code, "button", "Link a computer …");
  expect(await calls(code, "cancelLink")).toBe(1);
  expect(await code.getByText("It was not linked").count()).toBe(0);

  const ended = await accepted();
  await linkTo(ended, { kind: "failed", failure: { kind: "linkEnded" } });
  await focusOn(ended, "button", "Begin again");
  await tabTo(ended, /^Cancel$/);
  await ended.keyboard.press("Enter");
  await focusOn(ended, "button", "Link a computer …");
  expect(await ended.getByText("It was not linked").count()).toBe(0);

  // What is being handed over is not taken back.
  const giving = await accepted();
  await linkTo(giving, { kind: "giving" });
  await giving.getByRole("status").getByText("The account is being handed over …").waitFor();
  await focusOn(giving, "heading", "Link another computer");
  expect(await giving.getByRole("button", { name: "Cancel" }).count()).toBe(0);
  expect(stage.violations).toEqual([]);
});

test("the new computer shows its invitation and the code, is given the account, and makes its vault", async () => {
  const page = await invited();
  await page.getByText("Waiting for the other computer …").waitFor();
  await tabTo(page, /^Copy as text$/);
  await page.keyboard.press("Enter");
  await page.getByText("On the clipboard for 60 s").waitFor();
  await linkTo(page, { kind: "code", code: "4711", endsAt: await inPage(page, 200) });
  await page.getByLabel("The four digits").getByText("4711").waitFor();
  await page.getByRole("timer").getByText(/^3:\d\d left$/).waitFor();
  expect(await page.getByRole("img", { name: "QR code of the link" }).count()).toBe(0);
  await linkTo(page, { kind: "granted", name: "alice" });
  await page.getByRole("heading", { name: "This computer has the account of alice" }).waitFor();
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.insertText((await page.getByTestId("suggested-passphrase").textContent()) ?? "");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your recovery code" }).waitFor();
  expect(stage.violations).toEqual([]);
});

test("the new computer gives up at each step, and stands at the welcome", async () => {
  const steps: [string, LinkStatus | null][] = [
    ["shows", null],
    ["code", { kind: "code", code: "4711", endsAt: 0 }],
    ["granted", { kind: "granted", name: "alice" }],
    ["failed", { kind: "failed", failure: { kind: "linkEnded" } }],
  ];
  for (const [step, status] of steps) {
    const page = await invited();
    if (status) await linkTo(page, "endsAt" in status ? { ...status, endsAt: await inPage(page, 200) } : status);
    const away = step === "failed" ? "Back" : "Cancel";
    const shows = { shows: "Waiting for the other computer …", code: "4711", granted: "This computer has the account of alice", failed: "It was not linked" }[step] ?? "";
    await page.getByText(shows).first().waitFor();
    await tabTo(page, new RegExp(`^${away}$`));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Messages only their recipients can open" }).waitFor();
    expect([step, await calls(page, "cancelLink")]).toEqual([step, 1]);
  }
  const page = await stage.open("welcome", { query: "&fail=beginLink:addressInvalid" });
  await page.getByRole("button", { name: "Link to my other computer" }).click();
  await page.getByLabel("What to call this computer").fill("Workshop");
  await page.getByLabel("Address of the relay").fill("nowhere");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("heading", { name: "Messages only their recipients can open" }).waitFor();
  expect(stage.violations).toEqual([]);
});

test("a computer is renamed, and removed after what follows was read", async () => {
  const page = await devices();
  await page.getByText("Last seen: 07:30").waitFor();
  await tabTo(page, /^Rename Travel laptop/);
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "Name");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Old laptop");
  await page.keyboard.press("Enter");
  await focusOn(page, "button", "Rename Old laptop");

  await tabTo(page, /^Remove Old laptop/);
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "Current passphrase");
  for (const follows of [/It can fetch and send nothing/, /What is on it stays there/, /Then removing is not enough/]) await page.getByText(follows).waitFor();
  await tabTo(page, /^Cancel$/);
  await page.keyboard.press("Enter");
  await focusOn(page, "button", "Remove Old laptop");
  await page.keyboard.press("Enter");
  await focusOn(page, "textbox", "Current passphrase");
  await page.keyboard.type("not this");
  await page.keyboard.press("Enter");
  await page.getByText("That passphrase does not open this vault.").waitFor();
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove Old laptop" }).waitFor({ state: "detached" });
  expect(await page.getByRole("list", { name: "Devices" }).getByRole("listitem").count()).toBe(1);
  await page.locator(".said").getByText("Old laptop is removed.").waitFor();
  expect(stage.violations).toEqual([]);
});

test("a computer that was removed says so in both windows, and offers nothing that it cannot do", async () => {
  const main = await stage.open("removed");
  await main.getByRole("alert").getByText("This computer was removed from your account on November 21, 2026").waitFor();
  const keys = await stage.open("removed", { window: "keys" });
  await keys.keyboard.press("Control+2");
  await keys.getByText("This computer was removed from your account on").waitFor();
  expect(await keys.getByRole("button", { name: /^(Remove|Link)/ }).count()).toBe(0);
  expect(stage.violations).toEqual([]);
});
