import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeShell, worldOf, type Scene } from "../ipc/fake";
import { Face } from "./face.svelte";
import { Reread } from "./reread";
import { worst } from "./worst";

let stop: (() => void) | undefined;
beforeEach(() => void vi.useFakeTimers({ now: new Date("2026-11-21T12:30:00Z") }));
afterEach(() => {
  stop?.();
  vi.useRealTimers();
});

async function faceOn(scene: Scene) {
  const shell = new FakeShell(worldOf(scene));
  const face = new Face(shell);
  const uneffect = $effectRoot(face);
  stop = () => {
    uneffect();
    face.stop();
  };
  await face.start();
  await settle();
  return { shell, face };
}

// Stands for App.svelte, which tells the face that the stage has moved.
function $effectRoot(face: Face): () => void {
  const timer = setInterval(() => face.stageMoved(), 1);
  return () => clearInterval(timer);
}

async function settle() {
  await vi.advanceTimersByTimeAsync(20);
  flushSync();
}

describe("an open window", () => {
  test("is filled when the stage opens", async () => {
    const { face } = await faceOn("open");
    expect(face.folders.inbox.rows).toHaveLength(14);
    expect(face.contacts.people).toHaveLength(5);
    expect(face.contacts.list).toHaveLength(6);
    expect(face.status.current?.outbox).toBe(3);
  });

  test("re-reads what an event names", async () => {
    const { face, shell } = await faceOn("open");
    shell.arrive(shell.world.contacts[0] ?? null, "Fresh", "Just arrived.");
    await settle();
    expect(face.folders.inbox.rows[0]?.subject).toBe("Fresh");
    expect(face.status.current?.waiting).toBe(4);
  });

  test("marks an envelope opened by opening it, and the list follows", async () => {
    const { face } = await faceOn("open");
    const row = face.folders.inbox.rows[0];
    expect(row?.incoming?.kind).toBe("waiting");
    face.show({ kind: "envelope", id: row?.id ?? "" });
    await settle();
    expect(face.opened.view?.body).toContain("before Thursday");
    expect(face.folders.inbox.rows[0]?.incoming?.kind).toBe("opened");
  });
});

describe("locking", () => {
  test("empties every class and forgets what was typed, after saving it", async () => {
    const { face, shell } = await faceOn("open");
    face.show({ kind: "envelope", id: face.folders.inbox.rows[0]?.id ?? "" });
    await settle();
    await face.write();
    const writing = face.drafts.writing;
    writing?.edited({ subject: "Secret subject", body: "Secret text" });
    await face.lock();
    await settle();

    expect(shell.world.drafts.at(-1)).toMatchObject({ subject: "Secret subject", body: "Secret text" });
    expect(face.stage.current?.kind).toBe("locked");
    expect(face.folders.inbox.rows).toEqual([]);
    expect(face.contacts.list).toEqual([]);
    expect(face.contacts.me).toBeNull();
    expect(face.drafts.list).toEqual([]);
    expect(face.drafts.writing).toBeNull();
    expect(face.opened.view).toBeNull();
    expect(face.status.current).toBeNull();
    expect(face.place.detail).toBeNull();
  });

  test("by itself drops the text of the composer too", async () => {
    const { face, shell } = await faceOn("open");
    await face.write();
    const writing = face.drafts.writing;
    writing?.edited({ body: "Typed a moment ago" });
    shell.world.stage = { kind: "locked", waiting: 0, outbox: 0, afterStart: false };
    shell.tell("stageChanged", {});
    await settle();
    expect(writing?.body).toBe("");
    expect(face.drafts.writing).toBeNull();
  });

  test("an answer that is late brings nothing back", async () => {
    const { face, shell } = await faceOn("open");
    shell.latency = 10;
    void face.folders.inbox.read();
    shell.world.stage = { kind: "locked", waiting: 0, outbox: 0, afterStart: false };
    face.stage.current = shell.world.stage;
    face.stageMoved();
    await vi.advanceTimersByTimeAsync(100);
    expect(face.folders.inbox.rows).toEqual([]);
  });

  test("a wrong passphrase stays locked and says why", async () => {
    const { face } = await faceOn("locked");
    expect(await face.stage.unlock("wrong")).toBe(false);
    expect(face.stage.failure).toEqual({ kind: "wrongPassphrase" });
    expect(await face.stage.unlock("harbour violin cactus amber tunnel lantern mosaic")).toBe(true);
    expect(face.stage.failure).toBeNull();
  });
});

describe("writing", () => {
  test("saves by itself after a pause, once", async () => {
    const { face, shell } = await faceOn("open");
    await face.write();
    const writing = face.drafts.writing;
    writing?.edited({ body: "a" });
    writing?.edited({ body: "ab" });
    expect(writing?.saving).toBe("unsaved");
    await vi.advanceTimersByTimeAsync(600);
    expect(writing?.saving).toBe("saved");
    expect(shell.calls.filter((call) => call === "saveDraft")).toHaveLength(1);
    expect(shell.world.drafts.at(-1)?.body).toBe("ab");
  });

  test("says when it could not be saved, and keeps the text", async () => {
    const { face, shell } = await faceOn("open");
    shell.failNext("saveDraft", { kind: "diskFull" });
    await face.write();
    const writing = face.drafts.writing;
    writing?.edited({ body: "kept" });
    await vi.advanceTimersByTimeAsync(600);
    expect(writing?.saving).toBe("failed");
    expect(writing?.failure).toEqual({ kind: "diskFull" });
    expect(writing?.body).toBe("kept");
  });

  test("sends, shows the envelope, and leaves no draft", async () => {
    const { face, shell } = await faceOn("open");
    const bob = shell.world.contacts.find((contact) => contact.name === "Bob");
    await face.writeTo(bob?.account ?? "");
    face.drafts.writing?.edited({ body: "Hello Bob" });
    expect(await face.send()).toBe(true);
    await settle();
    expect(face.drafts.writing).toBeNull();
    expect(face.place.detail?.kind).toBe("envelope");
    expect(face.opened.view?.row.folder).toBe("outbox");
    await vi.advanceTimersByTimeAsync(1000);
    expect(face.opened.view?.row.folder).toBe("sent");
  });

  test("stays a draft when nobody is chosen or the contact is held", async () => {
    const { face, shell } = await faceOn("open");
    await face.write();
    face.drafts.writing?.edited({ body: "To nobody" });
    expect(await face.send()).toBe(false);
    expect(face.drafts.writing?.failure).toEqual({ kind: "noRecipients" });
    const held = shell.world.contacts.find((contact) => contact.held);
    face.drafts.writing?.edited({ to: [held?.account ?? ""] });
    expect(await face.send()).toBe(false);
    expect(face.drafts.writing?.failure).toMatchObject({ kind: "contactHeld" });
  });

  test("a reply opens over the letter and gives it back", async () => {
    const { face, shell } = await faceOn("open");
    const id = face.folders.inbox.rows[0]?.id ?? "";
    face.show({ kind: "envelope", id });
    await settle();
    await face.write(id);
    expect(face.place.detail?.kind).toBe("draft");
    expect(face.drafts.writing?.subject).toBe("Re: Key codes for Thursday");
    // What the draft answers is the shell's id of the message, not of the row, and goes back as it came.
    expect(face.drafts.writing?.inReplyTo).not.toBe(id);
    expect(face.drafts.writing?.text.inReplyTo).toBe(shell.world.drafts.at(-1)?.inReplyTo);
    face.back();
    await settle();
    expect(face.place.detail).toEqual({ kind: "envelope", id });
  });
});

describe("strangers", () => {
  test("are known and answered, stand in no list, and become contacts by being added", async () => {
    const { face } = await faceOn("open");
    const { contacts } = face;
    const stranger = contacts.list.find((contact) => contact.stranger);
    const letter = face.folders.inbox.rows.find((row) => row.from?.account === stranger?.account);
    contacts.query = "locksmith";
    flushSync();
    expect(contacts.shown).toEqual([]);

    await face.write(letter?.id ?? "");
    expect(face.drafts.writing?.to).toEqual([stranger?.account]);
    face.drafts.writing?.edited({ body: "Wednesday suits me." });
    expect(await face.send()).toBe(true);

    expect((await contacts.add(stranger?.address ?? "")).status).toBe("ok");
    await settle();
    expect(contacts.shown.map((contact) => contact.account)).toEqual([stranger?.account]);
  });

  test("are what a removed contact becomes", async () => {
    const { face } = await faceOn("open");
    const bob = face.contacts.people.find((contact) => contact.name === "Bob");
    await face.contacts.remove(bob?.account ?? "");
    expect(face.contacts.people.map((contact) => contact.name)).not.toContain("Bob");
    expect(face.contacts.find(bob?.account ?? "")).toMatchObject({ stranger: true, compared: "compared" });
  });
});

describe("a second start", () => {
  test("is said for some seconds, and only of an open vault", async () => {
    const { face, shell } = await faceOn("open");
    shell.tell("reopened", {});
    expect(face.reopened).toBe(true);
    await vi.advanceTimersByTimeAsync(9000);
    expect(face.reopened).toBe(false);
    shell.tell("reopened", {});
    await face.lock();
    await settle();
    expect(face.reopened).toBe(false);
    shell.tell("reopened", {});
    expect(face.reopened).toBe(false);
  });
});

describe("a long folder", () => {
  test("loads by pages, searches what is loaded, and can load the rest", async () => {
    const { face } = await faceOn("many");
    const { inbox } = face.folders;
    expect(inbox.rows).toHaveLength(200);
    expect(inbox.total).toBe(5014);
    expect(inbox.complete).toBe(false);
    inbox.query = "bob";
    flushSync();
    const some = inbox.shown.length;
    expect(some).toBeGreaterThan(0);
    await inbox.all();
    expect(inbox.complete).toBe(true);
    expect(inbox.shown.length).toBeGreaterThan(some);
  });

  test("keeps what it shows when a read fails, and says so", async () => {
    const { face, shell } = await faceOn("open");
    shell.failNext("envelopes", { kind: "diskFull" });
    await face.folders.inbox.read();
    expect(face.folders.inbox.failure).toEqual({ kind: "diskFull" });
    expect(face.folders.inbox.rows).toHaveLength(14);
    shell.mend("envelopes");
    await face.folders.inbox.read();
    expect(face.folders.inbox.failure).toBeNull();
  });
});

test("re-reading runs once for many asks, and once more for those during it", async () => {
  let reads = 0;
  const reread = new Reread(
    async () => ++reads,
    () => undefined,
  );
  await Promise.all([reread.now(), reread.now(), reread.now()]);
  expect(reads).toBe(2);
});

test("the worst state is the one that most wants to be known", () => {
  expect(worst([{ kind: "fetched" }, { kind: "needsYou", reason: "recipientGone" }, { kind: "atRelay" }])?.kind).toBe("needsYou");
  expect(worst([{ kind: "fetched" }, { kind: "sending", done: 1, total: 2 }])?.kind).toBe("sending");
  expect(worst([])).toBeNull();
});
