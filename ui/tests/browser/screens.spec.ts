// Pictures of every screen, wide and narrow, light and dark, into target/screens/, for people to look at.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { raise, repository, type Stage } from "./stage";

const only = process.env.SCREEN?.split(",");
const sizes = [
  { name: "wide", width: 1200, height: 800 },
  { name: "narrow", width: 620, height: 640 },
];

type Screen = { scene: string; query?: string; act?: (page: Page) => Promise<void> };

const row = (name: RegExp | string) => (page: Page) => page.getByRole("option", { name }).first().click();
const section = (name: string) => (page: Page) => page.getByRole("navigation", { name: "Folders" }).getByRole("button", { name }).click();
const then =
  (...acts: ((page: Page) => Promise<void>)[]) =>
  async (page: Page) => {
    for (const act of acts) {
      await act(page);
      await page.waitForTimeout(60);
    }
  };

const screens: Record<string, Screen> = {
  "01-welcome": { scene: "welcome" },
  "02-identity": { scene: "identity", act: (page) => page.getByLabel("Name", { exact: true }).fill("alice") },
  "03-passphrase": { scene: "passphrase" },
  "03b-passphrase-own": {
    scene: "passphrase",
    act: async (page) => {
      await page.getByRole("radio", { name: "Write my own" }).click();
      await page.getByLabel("Passphrase", { exact: true }).fill("tuesday");
    },
  },
  "04-recovery": { scene: "recovery" },
  "04b-recovery-check": { scene: "recovery", act: (page) => page.getByRole("button", { name: "I have kept it" }).click() },
  "05-done": { scene: "done" },
  "06-locked": { scene: "locked" },
  "06b-locked-wrong": {
    scene: "locked",
    act: async (page) => {
      await page.getByLabel("Passphrase", { exact: true }).fill("not this");
      await page.keyboard.press("Enter");
    },
  },
  "06c-locked-recover": { scene: "locked", act: (page) => page.getByRole("button", { name: "I have my recovery code" }).click() },
  "06d-locked-over": { scene: "lockedStart", act: (page) => page.getByRole("button", { name: "Start over" }).click() },
  "07-in-use": { scene: "inUse" },
  "08-corrupt": { scene: "corrupt" },
  "10-inbox": { scene: "open" },
  "11-reader": { scene: "open", act: row(/Key codes for Thursday/) },
  "11b-reader-claimed": { scene: "open", act: row(/Change of appointment/) },
  "11c-reader-files": { scene: "open", act: row(/Pick-up at the back door/) },
  "11d-unopenable": { scene: "open", act: row(/Unknown sender/) },
  "12-outbox": { scene: "open", act: then(section("Outbox"), row(/Plans for the second floor/)) },
  "12b-outbox-held": { scene: "open", act: then(section("Outbox"), row(/Re: Change of appointment/)) },
  "13-sent": { scene: "open", act: then(section("Sent"), row(/Keys for the courier/)) },
  "14-drafts": { scene: "open", act: then(section("Drafts"), row(/Minutes of the meeting/)) },
  "15-compose": { scene: "open", act: then((page) => page.getByRole("button", { name: "Write", exact: true }).click(), (page) => page.keyboard.type("b")) },
  "15b-compose-held": {
    scene: "open",
    act: then(row(/Change of appointment/), (page) => page.getByRole("button", { name: "Reply" }).click()),
  },
  "16-contacts": { scene: "open", act: then(section("Contacts"), row(/^Bob/)) },
  "16b-contact-unexplained": { scene: "open", act: then(section("Contacts"), row(/^Clinic/)) },
  "16c-contact-signed": { scene: "open", act: then(section("Contacts"), row(/^Courier/)) },
  "16d-contact-add": { scene: "open", act: then(section("Contacts"), (page) => page.getByRole("button", { name: "Add a contact" }).first().click()) },
  "17-settings": { scene: "open", act: section("Settings") },
  "17b-settings-foot": {
    scene: "open",
    act: then(section("Settings"), (page) => page.getByRole("main").evaluate((main) => main.scrollTo(0, main.scrollHeight))),
  },
  "18-palette": { scene: "open", act: (page) => page.keyboard.press("Control+k") },
  "19-sheet": { scene: "open", act: (page) => page.keyboard.press("Control+/") },
  "20-delete": { scene: "open", act: then(row(/Delivered/), (page) => page.getByRole("button", { name: "Delete" }).click()) },
  "21-empty": { scene: "empty" },
  "21b-empty-outbox": { scene: "empty", act: section("Outbox") },
  "21c-empty-contacts": { scene: "empty", act: section("Contacts") },
  "22-offline": { scene: "offline" },
  "23-error": { scene: "open", query: "&fail=envelopes:diskFull" },
  "24-search": { scene: "many", act: (page) => page.getByRole("searchbox").fill("bob invoice") },
  "25-german": { scene: "open", query: "&language=de", act: row(/Key codes for Thursday/) },
  "25b-german-compose": { scene: "open", query: "&language=de", act: then((page) => page.getByRole("navigation", { name: "Ordner" }).getByRole("button", { name: "Entwürfe" }).click(), row(/Minutes of the meeting/)) },
  "25c-german-settings": { scene: "open", query: "&language=de", act: (page) => page.getByRole("navigation", { name: "Ordner" }).getByRole("button", { name: "Einstellungen" }).click() },
};

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
  await mkdir(join(repository, "target/screens"), { recursive: true });
});
afterAll(() => stage.close());

for (const [name, screen] of Object.entries(screens)) {
  if (only && !only.some((part) => name.startsWith(part))) continue;
  test(name, async () => {
    for (const theme of ["light", "dark"] as const) {
      if (process.env.THEME && process.env.THEME !== theme) continue;
      const page = await stage.open(screen.scene, { query: screen.query ?? "", colorScheme: theme });
      await page.waitForTimeout(80);
      for (const size of sizes) {
        await page.setViewportSize(size);
        if (size.name === "wide") await screen.act?.(page);
        await page.waitForTimeout(150);
        await page.screenshot({ path: join(repository, `target/screens/${name}-${size.name}-${theme}.png`) });
      }
      await page.close();
    }
    expect(stage.violations).toEqual([]);
  });
}
