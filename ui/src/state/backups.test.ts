// Backups: what is written is listed, what fails is told, and a lock empties it; words are completed without asking again.
import { expect, test } from "vitest";
import { FakeShell, worldOf } from "../ipc/fake";
import { BackupsState } from "./backups.svelte";
import { WordList } from "./words.svelte";

const shell = (scene: "open" | "empty" | "locked" = "open") => new FakeShell(worldOf(scene));

test("a backup that was written stands first in the list, and is taken off it again", async () => {
  const port = shell();
  const backups = new BackupsState(port);
  await backups.read();
  expect(backups.rows).toHaveLength(3);
  expect(await backups.write()).toBe(true);
  expect(backups.rows).toHaveLength(4);
  const first = backups.rows?.[0];
  expect(first?.code).toEqual({ kind: "present" });
  await backups.forget(first?.id ?? "");
  expect(backups.rows?.map((row) => row.id)).not.toContain(first?.id);
});

test("a failure is kept for the screen, and the next try clears it", async () => {
  const port = shell();
  const backups = new BackupsState(port);
  port.failNext("writeBackup", { kind: "diskFull" });
  expect(await backups.write()).toBe(false);
  expect(backups.failure).toEqual({ kind: "diskFull" });
  port.mend("writeBackup");
  expect(await backups.write()).toBe(true);
  expect(backups.failure).toBeNull();
});

test("what comes back after a lock is not kept", async () => {
  const port = shell();
  port.latency = 5;
  const backups = new BackupsState(port);
  const writing = backups.write();
  backups.clear();
  expect(await writing).toBe(false);
  expect(backups.rows).toBeNull();
});

test("a chosen file is shown, and a dialog that was closed changes nothing", async () => {
  const port = shell("locked");
  const backups = new BackupsState(port);
  expect(await backups.choose()).toBe(true);
  expect(backups.chosen?.generation).toBe(2);
  port.world.chosen = null;
  expect(await backups.choose()).toBe(false);
  expect(backups.chosen?.generation).toBe(2);
});

test("words are offered by their beginning, and the list is asked for once", async () => {
  const port = shell("locked");
  port.world.recoveryWords = ["act", "action", "canvas"];
  const words = new WordList(port);
  await Promise.all([words.read(), words.read()]);
  expect(port.calls.filter((call) => call === "wordList")).toHaveLength(1);
  expect(words.beginning("can")).toEqual(["canvas"]);
  expect(words.beginning("CAN")).toEqual(["canvas"]);
  expect(words.beginning("act")).toEqual(["action"]);
  expect(words.beginning("canvas")).toEqual([]);
  expect(words.beginning("")).toEqual([]);
  expect(words.beginning("zzz")).toEqual([]);
});
