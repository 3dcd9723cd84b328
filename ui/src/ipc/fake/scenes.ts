// The scenes: each is a whole world in one state, so that every screen can be looked at and tested.
import type { ActivityKind, ActivityLine, BackupRow, Contact, DropBox, Settings, Stage } from "../port";
import { file, letters, manyLetters } from "./letters";
import { DAY, HOUR, MINUTE, hex, keyCode, linkOf, partyOf, type World } from "./world";

const scenes = [
  "open", "empty", "many", "offline", "welcome", "identity", "passphrase", "recovery", "done", "restored",
  "locked", "lockedStart", "inUse", "corrupt", "tampered", "interrupted", "weak", "renewed", "revoked", "removed",
] as const;
export type Scene = (typeof scenes)[number];

export function isScene(name: string): name is Scene {
  return (scenes as readonly string[]).includes(name);
}

export function worldOf(scene: Scene, now = Date.now()): World {
  const people = contactsOf(now);
  const everyone = Object.values(people);
  const empty = scene === "empty" || stageOf(scene).kind === "onboarding" || scene === "welcome";
  const me: World["me"] = {
    name: "alice", address: "alice@localhost", account: hex(3, 32), ownCode: keyCode(1).slice(0, 6),
    createdAt: now - 90 * DAY, revokedAt: null, relayShows: "agrees", removedAt: null,
  };
  const world: World = {
    stage: stageOf(scene),
    me,
    passphrase: "harbour violin cactus amber tunnel lantern mosaic",
    recoveryWords:
      "ladder quiz orbit velvet anchor maple tiger canvas bronze willow ember garden hollow pepper signal teapot umbrella fabric crystal meadow napkin puzzle raven summit".split(" "),
    contacts: empty ? [] : everyone,
    envelopes: empty ? [] : letters(now, me, people),
    drafts: empty ? [] : draftsOf(now, people),
    boxes: empty ? [] : boxesOf(now),
    settings: settingsOf(),
    status: {
      profile: "default", relay: { kind: "online", name: "localhost" }, outbox: 3, waiting: 3, drafts: 2,
      nextTry: now + 3 * MINUTE, lockAt: now + 9 * MINUTE + 12_000, localRelay: "running", canStrengthen: false,
    },
    vaultKeys: { generation: 3, passphraseSetAt: now - 12 * DAY, recoveryTestedAt: empty ? null : now - 40 * DAY, unlock: { milliseconds: 940, memoryMiB: 256 }, canStrengthen: false, activityWhole: true },
    rekey: null,
    rekeyTo: null,
    qr: "same",
    renewal: null,
    devices: [
      { id: hex(31, 16), name: "Desk", this: true, addedAt: now - 90 * DAY, lastSeen: now },
      { id: hex(32, 16), name: "Travel laptop", this: false, addedAt: now - 12 * DAY, lastSeen: now - 5 * HOUR },
    ],
    link: { kind: "none" },
    histories: [{ device: hex(32, 16), name: "Travel laptop", isGiven: true, state: { kind: "done", since: now - 12 * DAY } }],
    activity: activityOf(now, scene === "many" ? 600 : 6),
    backups: empty ? [] : backupsOf(now),
    backupWork: null,
    chosen: { name: "waxwing-default-2026-10-12.waxwing-backup", madeAt: now - 40 * DAY, generation: 2, vault: hex(41, 16), size: 4_120_000 },
  };
  if (scene === "tampered") {
    world.me.relayShows = "differentKey";
    world.vaultKeys.activityWhole = false;
  }
  if (scene === "renewed") {
    const told = everyone.filter((contact) => !contact.stranger && !contact.held);
    const states = ["writesToIt", "fetched", "atRelay", "sealed", "notYet"] as const;
    world.renewal = {
      kind: "rotate", state: { kind: "done" }, since: now - 3 * HOUR, toSealAgain: 0,
      told: told.map((contact, at) => ({ party: partyOf(contact), state: states[at % states.length] ?? "notYet", since: now - 2 * HOUR })),
    };
  }
  if (scene === "revoked") world.me.revokedAt = now - 26 * HOUR;
  if (scene === "removed") world.me.removedAt = now - 2 * HOUR;
  if (scene === "weak") {
    world.status.canStrengthen = true;
    world.vaultKeys.unlock = { milliseconds: 120, memoryMiB: 64 };
    world.vaultKeys.canStrengthen = true;
  }
  if (scene === "interrupted") {
    world.rekeyTo = { passphrase: "copper drizzle falcon ginger", words: world.recoveryWords.toReversed(), confirmed: true };
    world.rekey = { percent: 63, copied: 252, total: 400, state: { kind: "interrupted" } };
  }
  if (scene === "many") world.envelopes.push(...manyLetters(now, everyone, 5000));
  if (scene === "offline") {
    world.status.relay = { kind: "offline", reason: "relayRefused", nextTry: now + 2 * MINUTE };
    world.status.localRelay = "stopped";
  }
  return world;
}

function stageOf(scene: Scene): Stage {
  switch (scene) {
    case "welcome":
      return { kind: "welcome" };
    case "identity":
      return { kind: "onboarding", step: "identity", name: null, relay: { kind: "thisComputer" } };
    case "passphrase":
    case "recovery":
    case "done":
    case "restored":
      return { kind: "onboarding", step: scene, name: "alice", relay: { kind: "thisComputer" } };
    case "locked":
      return { kind: "locked", waiting: 3, outbox: 2, afterStart: false };
    case "lockedStart":
      return { kind: "locked", waiting: 0, outbox: 2, afterStart: true };
    case "inUse":
      return { kind: "inUse" };
    case "corrupt":
      return { kind: "corrupt", reason: "header", folder: "/home/alice/.local/share/waxwing/profiles/default" };
    default:
      return { kind: "open" };
  }
}

/** One that is in use, one for a single message, one that is not at the relay yet, and two that are over. */
function boxesOf(now: number): DropBox[] {
  const box = (seed: number, name: string, days: number, more: Partial<DropBox>): DropBox => ({
    id: hex(seed, 16), name, link: linkOf(seed), kind: "sealedHere", burn: "keep", madeAt: now - days * DAY, expiresAt: now + (30 - days) * DAY,
    state: "open", waiting: 0, opened: 0, lastDrop: null, ...more,
  });
  return [
    box(51, "For the locksmith", 0, { state: "new" }),
    box(52, "Front desk", 9, { waiting: 2, opened: 14, lastDrop: now - 7 * HOUR }),
    box(53, "The key of room 12", 2, { burn: "once" }),
    box(54, "Hints about the back door", 20, { state: "used", burn: "once", opened: 1, lastDrop: now - 19 * DAY }),
    box(55, "Summer fair", 120, { state: "expired", opened: 41, lastDrop: now - 92 * DAY, expiresAt: now - 90 * DAY }),
  ];
}

/** One on a stick that is not plugged in, and one of the time before another recovery code. */
function backupsOf(now: number): BackupRow[] {
  const row = (seed: number, days: number, more: Partial<BackupRow>): BackupRow => ({
    id: hex(seed, 16), place: "/home/alice/Documents/waxwing-default.waxwing-backup", isThere: true, madeAt: now - days * DAY, generation: 3,
    size: 4_120_000, messages: 38, contacts: 6, files: 3, code: { kind: "present" }, ...more,
  });
  return [
    row(91, 9, {}),
    row(92, 40, { place: "/media/alice/stick/waxwing-default-2026-10-12.waxwing-backup", generation: 2, isThere: false, size: 3_600_000, messages: 21, contacts: 4, files: 1 }),
    row(93, 80, { place: "/home/alice/Documents/first.waxwing-backup", generation: 1, size: 61_000, messages: 2, contacts: 1, files: 0, code: { kind: "replaced", at: now - 60 * DAY } }),
  ];
}

/** From the making of the vault to the present unlock, oldest first. */
function activityOf(now: number, days: number): ActivityLine[] {
  const acts: [number, ActivityKind, string][] = [
    [90 * DAY, "created", ""],
    [90 * DAY - MINUTE, "unlocked", ""],
    [90 * DAY - 2 * MINUTE, "cardPublished", ""],
    [70 * DAY, "contactCompared", "Alice’s laptop"],
    [40 * DAY, "recoveryTested", ""],
    [18 * DAY, "contactCompared", "Bob"],
    [12 * DAY, "passphraseChanged", ""],
    [9 * DAY, "contactAccepted", "Courier"],
  ];
  for (let day = days; day > 0; day--) acts.push([day * DAY + 3 * HOUR, "unlocked", ""], [day * DAY - 5 * HOUR, "locked", ""]);
  acts.push([26 * HOUR, "contactChanged", "Clinic, front desk"], [20 * MINUTE, "unlockFailed", "2"], [20 * MINUTE - 1, "unlocked", ""]);
  return acts
    .toSorted(([a], [b]) => b - a)
    .map(([ago, kind, about], number) => ({ number, at: now - ago, kind, about }));
}

export function settingsOf(): Settings {
  return {
    relay: { kind: "thisComputer" }, lockAfterMinutes: 10, theme: "system", language: "system",
    notifications: "count", closeToTray: false,
  };
}

function contactsOf(now: number) {
  const contact = (seed: number, name: string, address: string, more: Partial<Contact>): Contact => ({
    account: hex(seed, 32), name, address, addedAt: now - 80 * DAY, compared: "notCompared", comparedAt: null,
    keyCode: keyCode(seed), evidence: [{ at: now - 80 * DAY, kind: "first" }], held: false, stranger: false, ...more,
  });
  return {
    bob: contact(11, "Bob", "bob@localhost", {
      compared: "compared", comparedAt: now - 18 * DAY,
      evidence: [
        { at: now - 80 * DAY, kind: "first" },
        { at: now - 31 * DAY, kind: "renewed" },
        { at: now - 18 * DAY, kind: "compared" },
      ],
    }),
    clinic: contact(12, "Clinic, front desk", "clinic@localhost", {
      compared: "changedUnexplained", comparedAt: now - 40 * DAY, held: true,
      evidence: [
        { at: now - 80 * DAY, kind: "first" },
        { at: now - 40 * DAY, kind: "compared" },
        { at: now - 26 * HOUR, kind: "unexplainedChange" },
      ],
    }),
    desk: contact(13, "Support desk", "support@localhost", {}),
    courier: contact(14, "Courier", "courier@localhost", {
      compared: "changedSigned", comparedAt: now - 60 * DAY,
      evidence: [
        { at: now - 80 * DAY, kind: "first" },
        { at: now - 60 * DAY, kind: "compared" },
        { at: now - 2 * DAY, kind: "signedChange" },
      ],
    }),
    locksmith: contact(16, "locksmith", "locksmith@localhost", { addedAt: now - 31 * HOUR, stranger: true, evidence: [{ at: now - 31 * HOUR, kind: "first" }] }),
    laptop: contact(15, "Alice’s laptop", "alice.laptop@localhost", {
      compared: "compared", comparedAt: now - 70 * DAY,
      evidence: [
        { at: now - 80 * DAY, kind: "first" },
        { at: now - 70 * DAY, kind: "compared" },
      ],
    }),
  };
}

function draftsOf(now: number, people: ReturnType<typeof contactsOf>) {
  return [
    {
      id: hex(701, 16), to: [people.bob.account, people.desk.account], subject: "Minutes of the meeting",
      body: "Dear both,\n\nhere is what we agreed on:\n\n– The second floor is let from January.\n– Bob writes the offer.\n– The support desk keeps the logs for thirty days and not longer.\n\nAlice",
      inReplyTo: null, savedAt: now - 20 * MINUTE,
      files: [
        file(21, "minutes.odt", 38_400, "application/vnd.oasis.opendocument.text", { kind: "here" as const }),
        file(22, "photographs.zip", 18_400_000, "application/zip", { kind: "transferring" as const, done: 11_000_000, total: 18_400_000 }),
      ],
    },
    { id: hex(702, 16), to: [], subject: "", body: "Ask the courier about the Saturday slot.", inReplyTo: null, savedAt: now - 2 * DAY, files: [] },
  ];
}
