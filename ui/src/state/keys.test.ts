import { readFileSync } from "node:fs";
import { flushSync } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeShell, worldOf, type Scene } from "../ipc/fake";
import { Keys, keysSections } from "./keys.svelte";

let stop: (() => void) | undefined;
beforeEach(() => void vi.useFakeTimers({ now: new Date("2026-11-21T12:30:00Z") }));
afterEach(() => {
  stop?.();
  vi.useRealTimers();
});

async function keysOn(scene: Scene) {
  const shell = new FakeShell(worldOf(scene));
  const keys = new Keys(shell);
  // Stands for Frame.svelte, which tells that the stage has moved.
  const timer = setInterval(() => keys.stageMoved(), 1);
  stop = () => {
    clearInterval(timer);
    keys.stop();
  };
  await keys.start();
  await settle();
  return { shell, keys };
}

async function settle() {
  await vi.advanceTimersByTimeAsync(20);
  flushSync();
}

const opensVault = "harbour violin cactus amber tunnel lantern mosaic";
const strong = "copper drizzle falcon ginger";

test("asks for nothing that the shell does not grant the keys window", async () => {
  const { shell, keys } = await keysOn("open");
  for (const section of keysSections) {
    keys.go(section);
    await settle();
  }
  const account = shell.world.contacts[0]?.account ?? "";
  await keys.contacts.markCompared(account, true);
  await keys.contacts.acceptChange(account);
  await keys.passphrase.suggest();
  await keys.passphrase.weigh("a");
  await keys.passphrase.measure();
  await keys.vault.changePassphrase(opensVault, strong, false);
  await keys.vault.testRecovery(shell.world.recoveryWords.join(" "));
  await keys.rekey.begin(opensVault, strong, false, null);
  await keys.rekey.pause();
  await keys.rekey.resume();
  await keys.rekey.confirm([]);
  await keys.rekey.goOn(strong);
  await keys.rekey.undo();
  await keys.link.accept("waxwing-link:abc");
  await keys.link.acceptQr("file");
  await keys.link.acceptQr("clipboard");
  await keys.link.confirm("4711", strong);
  await keys.link.rename("id", "Desk");
  await keys.link.remove("id", strong);
  await keys.link.cancel();
  await keys.copy("text");
  keys.stillHere();
  await keys.lock();
  const { permissions } = JSON.parse(readFileSync("../capabilities/keys.json", "utf8")) as { permissions: string[] };
  const granted = permissions.map((name) => name.replace(/^allow-/, "").replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
  expect([...new Set(shell.calls)].filter((call) => !granted.includes(call))).toEqual([]);
});

test("holds nothing of the vault when it is not open, and nothing that is late", async () => {
  const { shell, keys } = await keysOn("open");
  keys.go("contacts");
  keys.account = shell.world.contacts[0]?.account ?? null;
  keys.passphrase.own = "typed";
  await settle();
  expect(keys.activity.rows.length).toBeGreaterThan(0);
  shell.latency = 30;
  const act = keys.vault.testRecovery(shell.world.recoveryWords.join(" "));
  shell.world.stage = { kind: "locked", waiting: 0, outbox: 0, afterStart: false };
  keys.stage.current = shell.world.stage;
  keys.stageMoved();
  await vi.advanceTimersByTimeAsync(200);
  await act;
  expect(keys.vault.current).toBeNull();
  expect(keys.activity.rows).toEqual([]);
  expect(keys.contacts.me).toBeNull();
  expect([keys.account, keys.section, keys.passphrase.own]).toEqual([null, "mine", ""]);
});

test("the passphrase is changed, and what is shown follows", async () => {
  const { shell, keys } = await keysOn("open");
  expect(await keys.vault.changePassphrase("wrong", strong, false)).toEqual({ kind: "wrongPassphrase" });
  expect(await keys.vault.changePassphrase(opensVault, "weak", false)).toMatchObject({ kind: "weakPassphrase" });
  expect(keys.vault.current?.generation).toBe(3);
  expect(await keys.vault.changePassphrase(opensVault, "weak", true)).toBeNull();
  expect(keys.vault.current).toMatchObject({ generation: 4, passphraseSetAt: Date.now() });
  expect(keys.vault.acting).toBeNull();
  expect(shell.world.passphrase).toBe("weak");
  keys.go("activity");
  await settle();
  expect(keys.activity.rows[0]?.kind).toBe("passphraseChanged");
});

test("the vault gets a new key: begun, held, its code typed back, done", async () => {
  const { shell, keys } = await keysOn("open");
  const { rekey } = keys;
  expect(await rekey.begin("wrong", strong, false, null)).toEqual({ kind: "wrongPassphrase" });
  expect(rekey.current).toBeNull();
  expect(await rekey.begin(opensVault, strong, false, null)).toBeNull();
  expect(rekey.words).toHaveLength(24);
  expect(await rekey.begin(opensVault, strong, false, null)).toEqual({ kind: "rekeyUnderWay" });
  shell.copyTo(63);
  await settle();
  expect(rekey.current).toMatchObject({ percent: 63, state: { kind: "copying" } });
  await rekey.pause();
  expect(rekey.current?.state.kind).toBe("paused");
  await rekey.resume();
  shell.copyTo(100);
  await settle();
  expect(rekey.current?.state.kind).toBe("codeUnconfirmed");
  expect(await rekey.confirm([[0, "not these four words"]])).toEqual({ kind: "recoveryMismatch", group: 0 });
  expect(rekey.done).toBe(false);
  expect(await rekey.confirm([[0, rekey.words.slice(0, 4).join(" ")]])).toBeNull();
  await settle();
  expect([rekey.current, rekey.words, rekey.done]).toEqual([null, [], true]);
  expect(shell.world.passphrase).toBe(strong);
});

test("a new key that is given up leaves the old passphrase, and is not told as done", async () => {
  const { shell, keys } = await keysOn("open");
  await keys.rekey.begin(opensVault, strong, false, null);
  expect(await keys.rekey.undo()).toBeNull();
  await settle();
  expect([keys.rekey.current, keys.rekey.words, keys.rekey.done]).toEqual([null, [], false]);
  expect(shell.world.passphrase).toBe(opensVault);
});

test("a recovery code gets three different answers, and the date when it works", async () => {
  const { shell, keys } = await keysOn("empty");
  const words = shell.world.recoveryWords;
  expect(keys.vault.current?.recoveryTestedAt).toBeNull();
  expect(await keys.vault.testRecovery(words.with(9, "wilow").join(" "))).toEqual({ kind: "recoveryMismatch", group: 2 });
  expect(await keys.vault.testRecovery(words.toReversed().join(" "))).toEqual({ kind: "recoveryMistyped" });
  expect(await keys.vault.testRecovery(Array(24).fill("harbour").join(" "))).toEqual({ kind: "recoveryOther" });
  expect(keys.vault.current?.recoveryTestedAt).toBeNull();
  expect(await keys.vault.testRecovery(words.join(" "))).toBeNull();
  expect(keys.vault.current?.recoveryTestedAt).toBe(Date.now());
});

test("a passphrase is chosen once it was typed twice alike", async () => {
  const { keys } = await keysOn("open");
  const { passphrase } = keys;
  await passphrase.suggest();
  passphrase.repeated = "harbour";
  expect(passphrase.chosen).toBeNull();
  passphrase.repeated = passphrase.suggested;
  expect(passphrase.chosen).toBe(passphrase.suggested);
  passphrase.way = "own";
  expect(passphrase.chosen).toBeNull();
});

test("a filter of the activity covers the whole list", async () => {
  const { keys } = await keysOn("many");
  const { activity } = keys;
  expect([activity.rows.length, activity.complete]).toEqual([200, false]);
  activity.choose("acts");
  await settle();
  expect(activity.complete).toBe(true);
  expect(activity.shown.at(-1)?.kind).toBe("created");
  activity.choose("unlocks");
  flushSync();
  expect(activity.shown.some((line) => line.kind === "created")).toBe(false);
  expect(activity.shown.some((line) => line.kind === "unlockFailed")).toBe(true);
});

test("a new account key is wished for with the re-key, and made when that is finished", async () => {
  const { shell, keys } = await keysOn("open");
  await keys.rekey.begin(opensVault, strong, false, "rotate");
  await keys.renewal.read();
  expect(keys.renewal.current).toMatchObject({ kind: "rotate", state: { kind: "afterRekey" } });
  await keys.rekey.undo();
  await keys.renewal.read();
  expect(keys.renewal.current).toBeNull();
  const lastFour = shell.world.me.ownCode.join("").slice(-4);
  expect(await keys.renewal.revoke(opensVault, "x")).toEqual({ kind: "keyCodeDiffers" });
  expect(await keys.renewal.revoke(opensVault, lastFour)).toBeNull();
  expect(await keys.renewal.reset(opensVault)).toBeNull();
  expect(keys.renewal.current).toMatchObject({ kind: "reset", state: { kind: "done" } });
  await keys.lock();
  keys.stageMoved();
  expect(keys.renewal.current).toBeNull();
});
