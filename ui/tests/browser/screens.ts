// Every screen and how a person comes to it: what the pictures show is what is checked for accessibility.
import type { Page } from "playwright-core";
import type { LinkStatus } from "../../src/ipc";
import type { Window } from "./stage";

export type Screen = { scene: string; query?: string; window?: Window; act?: (page: Page) => Promise<void> };

const row = (name: RegExp | string) => (page: Page) => page.getByRole("option", { name }).first().click();
const section = (name: string) => (page: Page) => page.getByRole("navigation", { name: "Folders" }).getByRole("button", { name }).click();
/** A screen of the keys window, in one of its sections. */
const keys = (section: string, act?: (page: Page) => Promise<void>, more: Partial<Screen> = {}): Screen => ({
  scene: "open",
  window: "keys",
  ...more,
  act: async (page) => {
    await page.getByRole("navigation", { name: more.query?.includes("language=de") ? "Schlüssel" : "Keys" }).getByRole("button", { name: section, exact: true }).click();
    await page.waitForTimeout(60);
    await act?.(page);
  },
});
const change = (current: string, passphrase: string, intention = "Choose a new passphrase") => async (page: Page) => {
  await page.getByRole("button", { name: intention }).click();
  await page.getByLabel("Current passphrase").fill(current);
  await page.getByRole("radio", { name: "Write my own" }).click();
  await page.getByRole("group", { name: "New passphrase" }).getByLabel("Passphrase", { exact: true }).fill(passphrase);
  await page.getByLabel("Type it once more").fill(passphrase);
  await page.keyboard.press("Enter");
};
type Fake = { world: { qr: string } };
const byQr = (says: string) => async (page: Page) => {
  await page.evaluate((qr) => void ((window as unknown as { waxwingFake: Fake }).waxwingFake.world.qr = qr), says);
  await page.getByRole("button", { name: "Compare by QR code" }).click();
  await page.getByRole("button", { name: "Choose a picture" }).click();
};
const opensVault = "harbour violin cactus amber tunnel lantern mosaic";
const words =
  "ladder quiz orbit velvet anchor maple tiger canvas bronze willow ember garden hollow pepper signal teapot umbrella fabric crystal meadow napkin puzzle raven summit";
const recovery = (typed: string) => async (page: Page) => {
  await page.getByLabel("Recovery code").last().fill(typed);
  await page.getByRole("button", { name: "Test the code" }).click();
};
const then =
  (...acts: ((page: Page) => Promise<void>)[]) =>
  async (page: Page) => {
    for (const act of acts) {
      await act(page);
      await page.waitForTimeout(60);
    }
  };

type Shell = {
  latency: number;
  work: (work: { percent: number; isChecking: boolean; isRestoring: boolean } | null) => void;
  linkTo: (status: LinkStatus) => void;
};
const fake =
  (act: (shell: Shell) => unknown) =>
  (page: Page) =>
    page.evaluate(`(${act.toString()})(window.waxwingFake)`).then(() => undefined);
const press = (name: string) => (page: Page) => page.getByRole("button", { name, exact: true }).click();
const scrollTo = (heading: string) => (page: Page) => page.getByRole("heading", { name: heading, exact: true }).scrollIntoViewIfNeeded();
/** The old computer has read the invitation of a new one. */
const accepted = () =>
  then(press("Link a computer …"), (page) => page.getByLabel("The text from the other computer").fill("waxwing-link:abc"), press("Continue"));
const confirmed = (code: string) => async (page: Page) => {
  await page.getByLabel("The four digits").fill(code);
  await page.getByLabel("Current passphrase").fill(opensVault);
  await press("Hand the account over")(page);
};
/** A new computer shows an invitation. */
const invited = async (page: Page) => {
  await press("Link to my other computer")(page);
  await page.getByLabel("What to call this computer").fill("Workshop");
  await page.getByLabel("Address of the relay").fill("https://relay.example");
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: "QR code of the link" }).waitFor();
};
/** A backup is chosen, its words typed, the offered passphrase taken, and restored. */
const restored = (typed: string, last: (page: Page) => Promise<void> = async () => undefined) => async (page: Page) => {
  await press("Restore a backup")(page);
  await press("Choose the backup …")(page);
  await page.getByLabel("Recovery code").fill(typed);
  await page.waitForFunction(() => document.querySelector('[data-testid="suggested-passphrase"]')?.textContent?.includes(" "));
  await page.getByLabel("Type it once more").fill((await page.getByTestId("suggested-passphrase").textContent()) ?? "");
  await page.waitForTimeout(60);
  await last(page);
  await press("Restore")(page);
};

export const screens: Record<string, Screen> = {
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
  "11e-reader-stranger": { scene: "open", act: row(/Your new lock/) },
  "11f-reader-you": { scene: "open", act: row(/Note to myself/) },
  "11g-reopened": {
    scene: "offline",
    act: (page) => page.evaluate(() => (window as unknown as { waxwingFake: { tell: (event: string, payload: object) => void } }).waxwingFake.tell("reopened", {})),
  },
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
  "16e-contact-stranger": { scene: "open", act: then(row(/Your new lock/), (page) => page.getByRole("button", { name: "Key not compared" }).click()) },
  "16f-contact-differed": {
    scene: "open",
    act: then(
      section("Contacts"), row(/^Support desk/),
      (page) => page.getByRole("button", { name: "They differ" }).click(),
      (page) => page.getByRole("button", { name: "Hold sending" }).click(),
    ),
  },
  "16d-contact-add": { scene: "open", act: then(section("Contacts"), (page) => page.getByRole("button", { name: "Add a contact" }).first().click()) },
  "16g-boxes": { scene: "open", act: then(section("Drop boxes"), row(/^Front desk/)) },
  "16h-boxes-new": { scene: "offline", act: then(section("Drop boxes"), row(/^For the locksmith/)) },
  "16i-boxes-qr": { scene: "open", act: then(section("Drop boxes"), row(/^Front desk/), press("Show as a QR code"), (page) => page.getByRole("img", { name: "QR code of the link" }).scrollIntoViewIfNeeded()) },
  "16j-boxes-over": { scene: "open", act: then(section("Drop boxes"), row(/^Hints/)) },
  "16k-boxes-make": { scene: "open", act: then(section("Drop boxes"), (page) => page.getByRole("button", { name: "Make a drop box" }).first().click()) },
  "16l-boxes-delete": { scene: "open", act: then(section("Drop boxes"), row(/^Front desk/), press("Delete this drop box")) },
  "16m-boxes-failed": { scene: "open", query: "&fail=dropBoxes:diskFull", act: section("Drop boxes") },
  "16n-boxes-german": {
    scene: "open",
    query: "&language=de",
    act: then((page) => page.getByRole("navigation", { name: "Ordner" }).getByRole("button", { name: "Briefkästen" }).click(), row(/^Front desk/)),
  },
  "16o-drop-read": { scene: "open", act: row(/^Drop box: Front desk/) },
  "17-settings": { scene: "open", act: section("Settings") },
  "17b-settings-foot": {
    scene: "open",
    act: then(section("Settings"), (page) => page.getByRole("main").evaluate((main) => main.scrollTo(0, main.scrollHeight))),
  },
  "18-palette": { scene: "open", act: (page) => page.keyboard.press("Control+k") },
  "19-sheet": { scene: "open", act: (page) => page.keyboard.press("Control+/") },
  "20-delete": { scene: "open", act: then(row(/Results/), (page) => page.getByRole("button", { name: "Delete" }).click()) },
  "21-empty": { scene: "empty" },
  "21b-empty-outbox": { scene: "empty", act: section("Outbox") },
  "21c-empty-contacts": { scene: "empty", act: section("Contacts") },
  "21d-empty-boxes": { scene: "empty", act: section("Drop boxes") },
  "22-offline": { scene: "offline" },
  "23-error": { scene: "open", query: "&fail=envelopes:diskFull" },
  "24-search": { scene: "many", act: (page) => page.getByRole("searchbox").fill("bob invoice") },
  "25-german": { scene: "open", query: "&language=de", act: row(/Key codes for Thursday/) },
  "25b-german-compose": { scene: "open", query: "&language=de", act: then((page) => page.getByRole("navigation", { name: "Ordner" }).getByRole("button", { name: "Entwürfe" }).click(), row(/Minutes of the meeting/)) },
  "30-keys-mine": keys("My key"),
  "30b-keys-mine-differs": keys("My key", undefined, { scene: "tampered" }),
  "30c-keys-mine-qr": keys("My key", (page) => page.getByRole("button", { name: "Show as a QR code" }).click()),
  "30d-keys-mine-renewed": keys("My key", (page) => page.getByRole("region", { name: "Your new key" }).scrollIntoViewIfNeeded(), { scene: "renewed" }),
  "30e-keys-mine-revoked": keys("My key", undefined, { scene: "revoked" }),
  "30f-keys-rotate": keys("My key", (page) => page.getByRole("button", { name: "Replace my key" }).click()),
  "30g-keys-revoke": keys(
    "My key",
    then((page) => page.getByRole("button", { name: "Revoke my key" }).click(), async (page) => {
      await page.getByLabel("The last four digits").fill("1234");
      await page.getByLabel("Current passphrase").fill(opensVault);
      await page.keyboard.press("Enter");
    }),
  ),
  "30h-keys-sheet": keys(
    "My key",
    then((page) => page.getByRole("button", { name: "Print an emergency sheet" }).click(), async (page) => {
      await page.getByLabel("Current passphrase").fill(opensVault);
      await page.keyboard.press("Enter");
      await page.getByText("The sheet is ready").waitFor();
    }),
  ),
  "30j-keys-sheet-paper": keys(
    "My key",
    then((page) => page.getByRole("button", { name: "Print an emergency sheet" }).click(), async (page) => {
      await page.getByLabel("Current passphrase").fill(opensVault);
      await page.keyboard.press("Enter");
      await page.getByText("The sheet is ready").waitFor();
      await page.setViewportSize({ width: 860, height: 1200 });
      await page.emulateMedia({ media: "print" });
    }),
  ),
  "30i-keys-revoke-paper": keys(
    "My key",
    then((page) => page.getByRole("button", { name: "Revoke my key" }).click(), (page) => page.getByRole("button", { name: "I have a revocation on paper" }).click()),
  ),
  "30k-keys-devices": keys("Devices"),
  "30l-keys-devices-remove": keys("Devices", press("Remove Travel laptop")),
  "30m-keys-link": keys("Devices", press("Link a computer …")),
  "30n-keys-link-code": keys("Devices", accepted()),
  "30o-keys-link-invalid": keys("Devices", then(press("Link a computer …"), (page) => page.getByLabel("The text from the other computer").fill("waxwing"), press("Continue"))),
  "30p-keys-link-wrong-code": keys("Devices", then(accepted(), confirmed("0000"))),
  "30q-keys-link-given": keys("Devices", then(accepted(), confirmed("4711"))),
  "30r-keys-link-failed": keys("Devices", then(accepted(), fake((shell) => shell.linkTo({ kind: "failed", failure: { kind: "linkEnded" } })))),
  "30s-keys-devices-rename": keys("Devices", press("Rename Travel laptop")),
  "30t-keys-devices-removed": keys("Devices", undefined, { scene: "removed" }),
  "30u-keys-link-german": keys("Geräte", press("Computer verbinden …"), { query: "&language=de" }),
  "30v-keys-link-code-german": keys(
    "Geräte",
    then(press("Computer verbinden …"), press("Kopiertes Bild verwenden"), (page) => page.getByLabel("Die vier Ziffern").waitFor()),
    { query: "&language=de" },
  ),
  "01b-link-here": { scene: "welcome", act: press("Link to my other computer") },
  "01c-link-here-shown": { scene: "welcome", act: invited },
  "01d-link-here-code": { scene: "welcome", act: then(invited, fake((shell) => shell.linkTo({ kind: "code", code: "4711", endsAt: Date.now() + 250_000 }))) },
  "01e-link-here-granted": { scene: "welcome", act: then(invited, fake((shell) => shell.linkTo({ kind: "granted", name: "alice" }))) },
  "01f-link-here-failed": { scene: "welcome", act: then(invited, fake((shell) => shell.linkTo({ kind: "failed", failure: { kind: "linkOver" } }))) },
  "01g-welcome-german": { scene: "welcome", query: "&language=de" },
  "01h-link-here-german": {
    scene: "welcome",
    query: "&language=de",
    act: then(press("Mit meinem anderen Computer verbinden"), async (page) => {
      await page.getByLabel("Wie dieser Computer heißen soll").fill("Werkstatt");
      await page.getByRole("radio").last().click();
      await press("Weiter")(page);
      await page.getByRole("img", { name: "QR-Code der Verbindung" }).waitFor();
    }),
  },
  "10b-removed": { scene: "removed" },
  "31-keys-contacts": keys("Contacts’ keys"),
  "31b-keys-contact": keys("Contacts’ keys", row(/^Bob/)),
  "31c-keys-contact-held": keys("Contacts’ keys", row(/^Clinic/)),
  "31d-keys-contact-paste": keys(
    "Contacts’ keys",
    then(row(/^Support/), (page) => page.getByRole("button", { name: "Compare by paste" }).click(), async (page) => {
      const code = await page.getByRole("list", { name: "Key code" }).innerText();
      await page.keyboard.insertText(code.replace(/\d{5}(?=\s+\d{5}\s+\d{5}\s*$)/, "00000"));
    }),
  ),
  "31f-keys-contact-qr": keys("Contacts’ keys", then(row(/^Support/), byQr("theirsDiffers"))),
  "31g-keys-contact-qr-same": keys("Contacts’ keys", then(row(/^Support/), byQr("same"))),
  "31e-keys-nobody": keys("Contacts’ keys", undefined, { scene: "empty" }),
  "32-keys-passphrase": keys("Passphrase"),
  "32b-keys-passphrase-form": keys("Passphrase", (page) => page.getByRole("button", { name: "Choose a new passphrase" }).click()),
  "32c-keys-passphrase-weak": keys("Passphrase", change(opensVault, "tuesday tue")),
  "32d-keys-passphrase-wrong": keys("Passphrase", change("not this", "copper drizzle falcon ginger")),
  "32e-keys-passphrase-failed": keys("Passphrase", change(opensVault, "copper drizzle falcon ginger"), { query: "&fail=changePassphrase:diskFull" }),
  "32f-keys-passphrase-done": keys("Passphrase", change(opensVault, "copper drizzle falcon ginger")),
  "32g-keys-passphrase-changing": keys(
    "Passphrase",
    then(
      (page) => page.evaluate(() => ((window as unknown as { waxwingFake: { latency: number } }).waxwingFake.latency = 600_000)).then(() => undefined),
      change(opensVault, "copper drizzle falcon ginger"),
    ),
  ),
  "32h-keys-rekey-code": keys("Passphrase", change(opensVault, "copper drizzle falcon ginger", "Give the vault a new key")),
  "32i-keys-rekey-check": keys(
    "Passphrase",
    then(change(opensVault, "copper drizzle falcon ginger", "Give the vault a new key"), (page) =>
      page.getByRole("button", { name: "I have kept it" }).click(),
    ),
  ),
  "32j-keys-rekey-interrupted": keys("Passphrase", undefined, { scene: "interrupted" }),
  "32k-keys-passphrase-weak-lock": keys("Passphrase", (page) => page.getByRole("button", { name: "Make guessing slower" }).click(), { scene: "weak" }),
  "32l-keys-copy-form": keys("Passphrase", (page) => page.getByRole("button", { name: "Give the vault and the account new keys" }).click(), { scene: "offline" }),
  "32m-keys-hands-form": keys("Passphrase", (page) => page.getByRole("button", { name: "Revoke my key and begin anew" }).click()),
  "32n-keys-passphrase-foot": keys("Passphrase", (page) => page.getByRole("button", { name: "Revoke my key and begin anew" }).scrollIntoViewIfNeeded()),
  "33-keys-recovery": keys("Backups and recovery"),
  "33b-keys-recovery-never": keys("Backups and recovery", undefined, { scene: "empty" }),
  "33c-keys-recovery-word": keys("Backups and recovery", recovery(words.replace("pepper", "peper"))),
  "33d-keys-recovery-works": keys("Backups and recovery", recovery(words)),
  "37-keys-backups": keys("Backups and recovery", scrollTo("Backups")),
  "37b-keys-backups-none": keys("Backups and recovery", scrollTo("Backups"), { scene: "empty" }),
  "37c-keys-backups-writing": keys("Backups and recovery", then(fake((shell) => shell.work({ percent: 43, isChecking: false, isRestoring: false })), scrollTo("Backups"))),
  "37d-keys-backups-failed": keys("Backups and recovery", then(press("Write a backup …"), scrollTo("Backups")), { query: "&fail=writeBackup:diskFull" }),
  "37e-keys-backups-done": keys("Backups and recovery", then(press("Write a backup …"), scrollTo("Backups"))),
  "37f-keys-backups-german": keys("Sicherungen und Wiederherstellung", scrollTo("Sicherungen"), { query: "&language=de" }),
  "38-restore": { scene: "welcome", act: press("Restore a backup") },
  "38b-restore-no-backup": { scene: "welcome", query: "&fail=chooseBackup:notABackup", act: then(press("Restore a backup"), press("Choose the backup …")) },
  "38c-restore-words": {
    scene: "welcome",
    act: then(press("Restore a backup"), press("Choose the backup …"), (page) => page.getByLabel("Recovery code").pressSequentially("ladder quiz orbit c")),
  },
  "38d-restore-wrong": { scene: "locked", act: restored(words.replace("raven summit", "summit raven")) },
  "38e-restore-damaged": { scene: "corrupt", query: "&fail=restoreBackup:backupDamaged", act: restored(words) },
  "38f-restoring": {
    scene: "locked",
    act: restored(words, then(
      fake((shell) => shell.work({ percent: 62, isChecking: false, isRestoring: true })),
      fake((shell) => (shell.latency = 600_000)),
    )),
  },
  "38g-restored": { scene: "restored" },
  "34-keys-activity": keys("Activity"),
  "34b-keys-activity-unlocks": keys("Activity", (page) => page.getByRole("radio", { name: "Unlocks" }).click()),
  "34c-keys-activity-torn": keys("Activity", undefined, { scene: "tampered" }),
  "35-keys-closed": { scene: "locked", window: "keys" },
  "35b-keys-sheet": { scene: "open", window: "keys", act: (page) => page.keyboard.press("Control+/") },
  "36-keys-german": keys("Passphrase", undefined, { query: "&language=de" }),
  "36b-keys-german-mine": keys("Mein Schlüssel", undefined, { query: "&language=de", scene: "tampered" }),
  "36c-keys-german-activity": keys("Verlauf", undefined, { query: "&language=de" }),
  "25c-german-settings": { scene: "open", query: "&language=de", act: (page) => page.getByRole("navigation", { name: "Ordner" }).getByRole("button", { name: "Einstellungen" }).click() },
};
