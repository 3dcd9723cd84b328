// The keys window with the keyboard alone: another passphrase, a test of the recovery code, a contact's key, locking.
import { afterAll, beforeAll, expect, test } from "vitest";
import { tabTo } from "./keyboard";
import { raise, type Stage } from "./stage";

const opensVault = "harbour violin cactus amber tunnel lantern mosaic";
const words =
  "ladder quiz orbit velvet anchor maple tiger canvas bronze willow ember garden hollow pepper signal teapot umbrella fabric crystal meadow napkin puzzle raven summit";

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
});
afterAll(() => stage.close());

test("another passphrase, and then the recovery code", async () => {
  const page = await stage.open("open", { window: "keys" });
  await page.keyboard.press("Control+4");
  await page.getByRole("heading", { name: "Passphrase", exact: true }).and(page.locator(":focus")).waitFor();
  await tabTo(page, /^Choose a new passphrase$/);
  await page.keyboard.press("Enter");
  await page.getByLabel("Current passphrase").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("not this");
  const offered = page.getByTestId("suggested-passphrase");
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.type((await offered.textContent()) ?? "");
  await page.keyboard.press("Enter");

  // The wrong one is selected, to be typed over.
  await page.getByText("That passphrase does not open this vault.").waitFor();
  await page.keyboard.type(opensVault);
  await tabTo(page, /^Use these seven words/);
  await page.keyboard.press("ArrowRight");
  await tabTo(page, /^Passphrase$/);
  await page.keyboard.insertText("tuesday tue");
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.insertText("tuesday tue");
  expect(await page.getByRole("checkbox").count()).toBe(0);
  await page.keyboard.press("Enter");

  // A weak one is refused, until the person says that they know.
  await page.getByRole("checkbox").and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Space");
  await tabTo(page, /^Change the passphrase$/);
  await page.keyboard.press("Enter");
  await page.getByText("The passphrase is changed").first().waitFor();
  await page.getByText("It is now generation 4 of the vault.").waitFor();
  await tabTo(page, /^Test my recovery code$/);
  await page.keyboard.press("Enter");

  await page.getByRole("heading", { name: "Backups and recovery" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.insertText(words.replace("raven", "ravn"));
  await tabTo(page, /^Test the code$/);
  await page.keyboard.press("Enter");
  await page.getByText("A word in group 6 stands in no recovery code.").waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(`Waxwing recovery code\n1  ${words}`);
  await tabTo(page, /^Test the code$/);
  await page.keyboard.press("Enter");
  await page.getByText("This code opens the vault").first().waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/ladder|tuesday/);

  await page.keyboard.press("Control+6");
  await page.getByRole("option", { name: /Recovery code tested, and it works/ }).first().waitFor();
  await page.getByRole("option", { name: /Passphrase changed/ }).first().waitFor();
  expect(stage.violations).toEqual([]);
});

test("a new key for the vault, held and gone on with, its code typed back", async () => {
  const page = await stage.open("open", { window: "keys" });
  const fake = (percent: number) =>
    page.evaluate((to) => (window as unknown as { waxwingFake: { copyTo(percent: number): void } }).waxwingFake.copyTo(to), percent);
  await page.keyboard.press("Control+4");
  await tabTo(page, /^Give the vault a new key$/);
  await page.keyboard.press("Enter");
  await page.keyboard.type(opensVault);
  await tabTo(page, /^Use these seven words/);
  await page.keyboard.press("ArrowRight");
  await tabTo(page, /^Passphrase$/);
  await page.keyboard.insertText("copper drizzle falcon ginger");
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.insertText("copper drizzle falcon ginger");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "The vault is being given a new key" }).waitFor();
  await fake(63);
  await page.getByText("63 % copied").waitFor();
  await tabTo(page, /^Pause$/);
  await page.keyboard.press("Enter");
  await page.getByText("Paused at 63 %").waitFor();
  await tabTo(page, /^Continue$/);
  await page.keyboard.press("Enter");
  await fake(100);
  await page.getByText("It is finished as soon as you have typed back the new recovery code.").waitFor();

  const words = await page.getByLabel(/^Group \d: /).evaluateAll((all) => all.map((one) => one.ariaLabel?.replace(/^Group \d: /, "") ?? ""));
  expect(words).toHaveLength(6);
  await tabTo(page, /^I have kept it$/);
  await page.keyboard.press("Enter");
  const fields = page.getByLabel(/^Group \d$/);
  await fields.first().and(page.locator(":focus")).waitFor();
  const asked = await page.locator("label").filter({ hasText: /^Group \d$/ }).allTextContents();
  expect(asked).toHaveLength(2);
  for (const label of asked) {
    await page.keyboard.insertText(words[Number(label.slice(-1)) - 1] ?? "");
    await page.keyboard.press("Tab");
  }
  await tabTo(page, /^Check$/);
  await page.keyboard.press("Enter");
  await page.getByText("The vault has a new key").first().waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/drizzle|summit/);
  await tabTo(page, /^Done$/);
  await page.keyboard.press("Enter");
  await page.getByText("This is generation 5 of the vault.").waitFor();
  expect(stage.violations).toEqual([]);
});

test("a disk that is full leaves the old passphrase, and says so", async () => {
  const page = await stage.open("open", { window: "keys", query: "&fail=changePassphrase:diskFull" });
  await page.keyboard.press("Control+4");
  await tabTo(page, /^Choose a new passphrase$/);
  await page.keyboard.press("Enter");
  await page.keyboard.type(opensVault);
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await tabTo(page, /^Type it once more$/);
  await page.keyboard.insertText((await page.getByTestId("suggested-passphrase").textContent()) ?? "");
  await page.keyboard.press("Enter");
  await page.getByText("The old passphrase still opens the vault.").waitFor();
});

test("a contact's key by paste; Escape leaves the question, then the contact", async () => {
  const page = await stage.open("open", { window: "keys" });
  await page.keyboard.press("Control+3");
  await page.keyboard.press("Tab");
  await page.keyboard.type("support");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const code = ((await page.getByRole("list", { name: "Key code" }).textContent()) ?? "").replace(/\D/g, "");
  await tabTo(page, /^Compare by paste$/);
  await page.keyboard.press("Enter");
  await page.getByLabel("The key code that Support desk copied").and(page.locator(":focus")).waitFor();
  await page.keyboard.insertText(code.slice(0, 58));
  await page.getByText("58 of 60 digits").waitFor();
  await page.keyboard.insertText("##");
  await page.keyboard.insertText(code.slice(58) === "00" ? "11" : "00");
  await page.getByText("Group 12 differs.").waitFor();
  await tabTo(page, /^They differ$/);
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("alertdialog").waitFor({ state: "detached" });
  expect(await page.getByRole("heading", { name: "Support desk" }).isVisible()).toBe(true);
  await tabTo(page, /^The key code that/, "Shift+Tab");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(code);
  await page.getByText("All twelve groups are the same.").waitFor();
  await tabTo(page, /^They are the same$/);
  await page.keyboard.press("Enter");
  await page.getByText("Key compared on November 21, 2026").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Nobody is chosen").waitFor();
  expect(stage.violations).toEqual([]);
});

test("one's own key is replaced, then revoked, then a new one made; who has it is seen", async () => {
  const page = await stage.open("open", { window: "keys" });
  await tabTo(page, /^Replace my key/);
  await page.keyboard.press("Enter");
  await page.getByLabel("Current passphrase").and(page.locator(":focus")).waitFor();
  await page.getByText("The relay answers.").waitFor();
  await page.keyboard.type("not this");
  await page.keyboard.press("Enter");
  await page.getByText("That passphrase does not open this vault.").waitFor();
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  await page.getByText(/^Replaced on November 21, 2026/).waitFor();
  await page.getByText("Told; waits at the relay").first().waitFor();

  await tabTo(page, /^Revoke my key/);
  await page.keyboard.press("Enter");
  await page.getByLabel("The last four digits of your key code").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("12");
  await tabTo(page, /^Current passphrase$/);
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  expect(await page.getByText("Your key was revoked").count()).toBe(0);
  const ends = (await page.getByRole("group", { name: "This is at once and for good" }).locator(".code").innerText()).slice(-4);
  await tabTo(page, /^The last four digits/, "Shift+Tab");
  await page.keyboard.press("Control+a");
  await page.keyboard.type(ends === "0000" ? "0001" : "0000");
  await page.keyboard.press("Enter");
  await page.getByText("These are not the last four digits of your key code.").waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.type(ends);
  await page.keyboard.press("Enter");
  await page.getByText("Your key was revoked on November 21, 2026").waitFor();
  await tabTo(page, /^Make a new key/);
  await page.keyboard.press("Enter");
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  await page.getByText(/^A new key since November 21, 2026/).waitFor();
  await page.keyboard.press("Control+6");
  for (const line of [/New account key, without/, /revoked/i]) await page.getByRole("option", { name: line }).first().waitFor();
  expect(stage.violations).toEqual([]);
});

test("the vault and the account get new keys; the relay is away", async () => {
  const page = await stage.open("offline", { window: "keys" });
  await page.keyboard.press("Control+4");
  await tabTo(page, /^Revoke my key and begin anew$/);
  await page.keyboard.press("Enter");
  await page.getByText(/^The relay is needed and does not answer/).waitFor();
  await page.getByText(/^There is room on the disk/).waitFor();
  await page.getByLabel("Current passphrase").and(page.locator(":focus")).waitFor();
  await page.keyboard.type(opensVault);
  await tabTo(page, /^Use these seven words/);
  await page.keyboard.press("ArrowRight");
  for (const label of [/^Passphrase$/, /^Type it once more$/]) {
    await tabTo(page, label);
    await page.keyboard.insertText("copper drizzle falcon ginger");
  }
  // Not without the end of the key that it ends.
  await page.keyboard.press("Enter");
  expect(await page.getByText("The vault is being given a new key").count()).toBe(0);
  const code = await page.getByText(/^(\d{5} ){5}\d{5}$/).innerText();
  await tabTo(page, /^The last four digits/);
  await page.keyboard.type(code.slice(-4));
  await page.keyboard.press("Enter");
  await page.getByText("The vault is being given a new key").first().waitFor();
  await page.getByText("As soon as the vault has its new key, your account gets one too.").waitFor();
  expect(stage.violations).toEqual([]);
});

test("a lock that is weak for this computer is made better", async () => {
  const page = await stage.open("weak", { window: "keys" });
  await page.keyboard.press("Control+4");
  await page.getByText("here 0.1 s and 64 MiB of memory").waitFor();
  await tabTo(page, /^Make guessing slower$/);
  await page.keyboard.press("Enter");
  await page.getByLabel("Current passphrase").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("not this");
  await page.keyboard.press("Enter");
  await page.getByText("That passphrase does not open this vault.").waitFor();
  await page.keyboard.type(opensVault);
  await page.keyboard.press("Enter");
  await page.getByText("Unlocking takes 0.9 s here.").waitFor();
  expect(await page.getByText("The vault can be locked better").count()).toBe(0);
  await page.keyboard.press("Control+6");
  await page.getByRole("option", { name: /Unlocking made slower/ }).first().waitFor();
  const main = await stage.open("weak");
  await main.getByRole("button", { name: "The lock can be better" }).waitFor();
  expect(stage.violations).toEqual([]);
});

test("a contact's key by QR code, and one's own; a copied code leaves the clipboard", async () => {
  const page = await stage.open("open", { window: "keys" });
  await tabTo(page, /^Show as a QR code$/);
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: "QR code of my key" }).waitFor();
  await page.keyboard.press("Control+3");
  await page.keyboard.press("Tab");
  await page.keyboard.type("support");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await tabTo(page, /^Compare by QR code$/);
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: "QR code of your key and that of Support desk" }).waitFor();
  const says = (qr: string) => page.evaluate((to) => void ((window as unknown as { waxwingFake: { world: { qr: string } } }).waxwingFake.world.qr = to), qr);
  await says("oursDiffers");
  await tabTo(page, /^Use the copied picture$/, "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByText("Support desk sees another key for you").waitFor();
  expect(await page.getByText("Key not compared").count()).toBeGreaterThan(0);
  await says("same");
  await page.keyboard.press("Enter");
  await page.getByText("The keys are the same").waitFor();
  await page.getByText("Key compared on November 21, 2026").first().waitFor();

  const clock = await stage.open("recovery");
  await tabTo(clock, /^Copy as text$/);
  await clock.keyboard.press("Enter");
  await clock.getByText("On the clipboard for 60 s").waitFor();
  await clock.getByText("On the clipboard for 58 s").waitFor();
  expect(stage.violations).toEqual([]);
});

test("locking leaves nothing of the vault; a window that finds it locked shows nothing", async () => {
  const page = await stage.open("open", { window: "keys" });
  await page.getByText("alice@localhost").waitFor();
  await page.keyboard.press("Control+l");
  await page.getByText("The vault is not open").waitFor();
  expect(await page.locator("body").textContent()).not.toMatch(/alice|localhost|\d{5}/);
  const locked = await stage.open("locked", { window: "keys" });
  await locked.getByText("The vault is not open").waitFor();
});

test("the main window opens the keys by shortcut and from the rail", async () => {
  const page = await stage.open("open");
  const asked = () =>
    page.evaluate(() => (window as unknown as { waxwingFake: { calls: string[] } }).waxwingFake.calls.filter((call) => call === "openKeys").length);
  await page.keyboard.press("Control+Shift+K");
  await expect.poll(asked).toBe(1);
  await page.getByRole("navigation", { name: "Folders" }).getByRole("button", { name: "Keys", exact: true }).click();
  await expect.poll(asked).toBe(2);
});

test("a backup is written, and taken off the list", async () => {
  const page = await stage.open("empty", { window: "keys" });
  await page.keyboard.press("Control+5");
  await page.getByText("No backup yet.").waitFor();
  await tabTo(page, /^Write a backup …$/);
  await page.keyboard.press("Enter");
  await page.getByText("The backup is written").first().waitFor();
  await page.getByText("Opened by your recovery code.").waitFor();
  await tabTo(page, /^Take waxwing-default-2026-11-21.waxwing-backup off the list$/);
  await page.keyboard.press("Enter");
  await page.getByText("No backup yet.").waitFor();
  await page.keyboard.press("Control+6");
  await page.getByRole("option", { name: /Backup written/ }).first().waitFor();
  expect(stage.violations).toEqual([]);
});
