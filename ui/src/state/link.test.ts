// Linking: what either side is told, what fails, and that a lock or an end leaves nothing of it.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeShell, worldOf } from "../ipc/fake";
import { Frame } from "./frame.svelte";
import { LinkState } from "./link.svelte";

const opensVault = "harbour violin cactus amber tunnel lantern mosaic";
const text = "waxwing-link:abc";
const shell = (scene: "open" | "welcome" = "open") => new FakeShell(worldOf(scene));

beforeEach(() => void vi.useFakeTimers({ now: new Date("2026-11-21T12:30:00Z") }));
afterEach(() => void vi.useRealTimers());

test("a text is accepted, its code confirmed, and the new computer stands in the list", async () => {
  const port = shell();
  const link = new LinkState(port);
  await link.readDevices();
  expect(link.devices).toHaveLength(2);
  expect(await link.accept("something else")).toEqual({ kind: "linkInvalid" });
  expect(link.status.kind).toBe("none");
  expect(await link.accept(text)).toBeNull();
  expect(link.status).toMatchObject({ kind: "codeWanted", device: "Workshop", tries: 3 });
  expect(link.endsAt).toBe(Date.now() + 300_000);
  expect(await link.confirm("4711", "not this")).toEqual({ kind: "wrongPassphrase" });
  expect(link.status.kind).toBe("codeWanted");
  expect(await link.confirm("4711", opensVault)).toBeNull();
  expect(link.status).toEqual({ kind: "given", device: "Workshop" });
  expect([link.endsAt, link.acting]).toEqual([null, null]);
  await link.readDevices();
  expect(link.devices?.map((device) => device.name)).toEqual(["Desk", "Travel laptop", "Workshop"]);
});

test("each wrong code costs a try, and the third ends the link", async () => {
  const link = new LinkState(shell());
  await link.accept(text);
  for (const tries of [2, 1]) {
    expect(await link.confirm("0000", opensVault)).toEqual({ kind: "linkCode", tries });
    expect(link.status).toMatchObject({ kind: "codeWanted", tries });
  }
  expect(await link.confirm("0000", opensVault)).toEqual({ kind: "linkCode", tries: 0 });
  expect(link.status).toEqual({ kind: "failed", failure: { kind: "linkCode", tries: 0 } });
  expect(await link.confirm("4711", opensVault)).toEqual({ kind: "notFound" });
  await link.cancel();
  expect(link.status.kind).toBe("none");
});

test("a QR code is read from a file or the clipboard; a dialog that was closed changes nothing", async () => {
  const port = shell();
  const link = new LinkState(port);
  port.acceptLinkFile = async () => ({ status: "ok", data: null });
  expect(await link.acceptQr("file")).toBeNull();
  expect([link.status.kind, link.acting]).toEqual(["none", null]);
  port.failNext("acceptLinkClipboard", { kind: "noLinkCode" });
  expect(await link.acceptQr("clipboard")).toEqual({ kind: "noLinkCode" });
  expect(link.status.kind).toBe("none");
  port.mend("acceptLinkClipboard");
  expect(await link.acceptQr("clipboard")).toBeNull();
  expect(link.status.kind).toBe("codeWanted");
});

test("a new computer shows an invitation until it is taken back", async () => {
  const port = shell("welcome");
  const link = new LinkState(port);
  expect(await link.begin({ kind: "thisComputer" }, "ä".repeat(33))).toEqual({ kind: "deviceNameInvalid" });
  expect(link.invitation).toBeNull();
  expect(await link.begin({ kind: "thisComputer" }, "Workshop")).toBeNull();
  expect(link.invitation?.text).toMatch(/^waxwing-link:/);
  expect(link.status).toEqual({ kind: "invited", endsAt: Date.now() + 300_000 });
  await link.cancel();
  expect([link.invitation, link.status.kind]).toEqual([null, "none"]);
});

test("a computer is renamed and removed, the latter with the passphrase alone", async () => {
  const port = shell();
  const link = new LinkState(port);
  await link.readDevices();
  const id = link.devices?.[1]?.id ?? "";
  expect(await link.rename(id, "Old laptop")).toBeNull();
  expect(link.devices?.[1]?.name).toBe("Old laptop");
  expect(await link.remove(id, "not this")).toEqual({ kind: "wrongPassphrase" });
  expect(link.devices).toHaveLength(2);
  expect(await link.remove(id, opensVault)).toBeNull();
  expect(link.devices?.map((device) => device.this)).toEqual([true]);
});

test("what comes back after a lock is not kept", async () => {
  const port = shell();
  port.latency = 5;
  const link = new LinkState(port);
  const acts = Promise.all([link.accept(text), link.read(), link.readDevices()]);
  link.clear();
  await vi.advanceTimersByTimeAsync(50);
  await acts;
  expect([link.status.kind, link.devices, link.acting]).toEqual(["none", null, null]);
});

test("the time that is left never shows more than five minutes, and its end is a failure", async () => {
  const frame = new Frame(shell());
  frame.clock.start();
  // The clock of the face is a second late at most.
  await vi.advanceTimersByTimeAsync(1900);
  await frame.link.accept(text);
  expect(frame.linkLeft).toBe(300);
  expect(frame.linkFailure).toBeNull();
  await vi.advanceTimersByTimeAsync(240_000);
  expect([frame.linkLeft, frame.linkFailure]).toEqual([60, null]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([frame.linkLeft, frame.linkFailure]).toEqual([0, { kind: "linkOver" }]);
  await frame.link.cancel();
  expect(frame.linkFailure).toBeNull();
  frame.stop();
});

test("what the other computer does is heard", async () => {
  const port = shell("welcome");
  const frame = new Frame(port);
  await frame.start();
  await frame.link.begin({ kind: "thisComputer" }, "Workshop");
  port.linkTo({ kind: "code", code: "4711", endsAt: Date.now() + 200_000 });
  await vi.advanceTimersByTimeAsync(10);
  expect(frame.link.status).toMatchObject({ kind: "code", code: "4711" });
  port.linkTo({ kind: "failed", failure: { kind: "linkEnded" } });
  await vi.advanceTimersByTimeAsync(10);
  expect(frame.linkFailure).toEqual({ kind: "linkEnded" });
  frame.stop();
});
