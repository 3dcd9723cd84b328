// The fake shell: carries out the port in memory, saves then tells, answers late, and fails when it is told to.
import type { ActivityKind, BurnRule, Contact, Draft, DraftText, DropBox, EnvelopeView, Events, Failure, FileView, Folder, History, LinkStatus, Page, Port, Preflight, QrComparison, RekeyState, RelayChoice, RenewalKind, Result, Settings, Stage } from "../port";
import { DAY, hex, keyCode, leftTheOutbox, linkOf, messageOf, partyOf, qrRows, youOf, type World } from "./world";

type Heard = { [K in keyof Events]: Set<(payload: Events[K]) => void> };
const WORDS = "harbour violin cactus amber tunnel lantern mosaic pebble saddle thistle walnut zephyr copper drizzle falcon ginger".split(" ");

export class FakeShell implements Port {
  readonly world: World;
  readonly calls: string[] = [];
  latency: number;
  readonly #failures = new Map<string, Failure>();
  readonly #heard: Heard = {
    stageChanged: new Set(), statusChanged: new Set(), envelopesChanged: new Set(), draftsChanged: new Set(),
    contactsChanged: new Set(), dropBoxesChanged: new Set(), settingsChanged: new Set(), backupChanged: new Set(), transferChanged: new Set(), filesDropped: new Set(), rekeyChanged: new Set(), renewalChanged: new Set(), linkChanged: new Set(),
    reopened: new Set(),
  };
  #made = 9000;
  #suggested = 0;

  constructor(world: World, latency = 0) {
    this.world = world;
    this.latency = latency;
  }

  /** Every later call of this command answers the failure, until `mend`. */
  failNext(command: string, failure: Failure): void {
    this.#failures.set(command, failure);
  }
  mend(command: string): void {
    this.#failures.delete(command);
  }

  async listen<K extends keyof Events>(event: K, heard: (payload: Events[K]) => void) {
    const listeners: Set<(payload: Events[K]) => void> = this.#heard[event];
    listeners.add(heard);
    return () => void listeners.delete(heard);
  }

  tell<K extends keyof Events>(event: K, payload: Events[K]): void {
    const listeners: Set<(payload: Events[K]) => void> = this.#heard[event];
    for (const heard of listeners) heard(payload);
  }

  // ---- ask
  stage = () => this.#answer("stage", () => this.world.stage);
  status = () => this.#answer("status", () => this.#status());
  me = () => this.#answer("me", () => this.world.me, "open");
  settings = () => this.#answer("settings", () => this.world.settings);
  contacts = () => this.#answer("contacts", () => this.world.contacts, "open");
  contact = (account: string) => this.#answer("contact", () => this.#contact(account), "open");
  suggestPassphrase = () =>
    this.#answer("suggestPassphrase", () => {
      const from = this.#suggested++ * 3;
      return Array.from({ length: 7 }, (_, i) => WORDS[(from + i) % WORDS.length]).join(" ");
    });
  passphraseStrength = (passphrase: string) =>
    this.#answer("passphraseStrength", () => strengthOf(passphrase));
  unlockTime = () => this.#answer("unlockTime", () => ({ milliseconds: 940, memoryMiB: 256 }));

  wordList = () => this.#answer("wordList", () => [...new Set([...this.world.recoveryWords, ...WORDS])].sort());

  envelopes = (folder: Folder, cursor: string | null, limit: number) =>
    this.#answer(
      "envelopes",
      () => {
        const rows = this.world.envelopes.filter((view) => view.row.folder === folder).map((view) => view.row);
        rows.sort((a, b) => b.at - a.at);
        return pageOf(rows, cursor, limit);
      },
      "open",
    );

  envelope = (id: string) =>
    this.#answer(
      "envelope",
      () => {
        const view = this.#envelope(id);
        if (view.row.incoming?.kind === "waiting") {
          view.row = { ...view.row, incoming: { kind: "opened" } };
          this.#later(() => this.#changed(view));
        }
        return view;
      },
      "open",
    );

  drafts = (_cursor: string | null, _limit: number) =>
    this.#answer(
      "drafts",
      () => {
        const items = this.world.drafts.toSorted((a, b) => b.savedAt - a.savedAt);
        return { items, next: null, total: items.length };
      },
      "open",
    );
  draft = (id: string) => this.#answer("draft", () => this.#draft(id), "open");

  // ---- do: onboarding
  chooseIdentity: Port["chooseIdentity"] = (name, relay) =>
    this.#answer("chooseIdentity", () => {
      if (!/^[a-z][a-z0-9._-]{1,31}$/.test(name)) throw fail({ kind: "nameInvalid" });
      const host = relay.kind === "thisComputer" ? "localhost" : new URL(relay.url).host;
      this.world.me = { ...this.world.me, name, address: `${name}@${host}` };
      this.world.settings = { ...this.world.settings, relay };
      return this.#stage({ kind: "onboarding", step: "passphrase", name, relay });
    });
  createVault = (passphrase: string) =>
    this.#answer("createVault", () => {
      this.world.passphrase = passphrase;
      return this.#step("recovery");
    });
  recoveryCode = () => this.#answer("recoveryCode", () => this.world.recoveryWords);
  confirmRecovery = (groups: [number, string][]) =>
    this.#answer("confirmRecovery", () => {
      for (const [group, words] of groups) {
        const right = this.world.recoveryWords.slice(group * 4, group * 4 + 4).join(" ");
        if (words.trim().split(/\s+/).join(" ") !== right) throw fail({ kind: "recoveryMismatch", group });
      }
      return this.#step("done");
    });
  finishOnboarding = (sendTest: boolean) =>
    this.#answer("finishOnboarding", () => {
      if (sendTest) this.#later(() => this.arrive(null, "A test envelope", "This was sealed here, went through the relay and came back."));
      return this.#stage({ kind: "open" });
    });
  backToIdentity = () => this.#answer("backToIdentity", () => this.#step("identity"));

  // ---- do: vault
  unlock = (passphrase: string) =>
    this.#answer("unlock", () => {
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      return this.#stage({ kind: "open" });
    });
  lock = () =>
    this.#answer("lock", () => {
      const { waiting, outbox } = this.#status();
      return this.#stage({ kind: "locked", waiting, outbox, afterStart: false });
    });
  recover = (words: string, newPassphrase: string) =>
    this.#answer("recover", () => {
      if (words.trim().split(/\s+/).join(" ") !== this.world.recoveryWords.join(" ")) throw this.#mistyped(words);
      this.world.passphrase = newPassphrase;
      return this.#stage({ kind: "open" });
    });
  chooseBackup = () => this.#answer("chooseBackup", () => this.world.chosen);
  restoreBackup = (words: string, newPassphrase: string, _althoughWeak: boolean) =>
    this.#answer("restoreBackup", () => {
      if (words.trim().split(/\s+/).join(" ") !== this.world.recoveryWords.join(" ")) throw this.#mistyped(words);
      this.world.passphrase = newPassphrase;
      return this.#step("restored");
    });
  backupProgress = () => this.#answer("backupProgress", () => this.world.backupWork);
  cancelBackup = () => this.#answer("cancelBackup", () => this.work(null));
  startOver = () => this.#answer("startOver", () => this.#stage({ kind: "welcome" }));
  stillHere = () => this.#answer("stillHere", () => null);

  // ---- do: messages
  newDraft = (inReplyTo: string | null) =>
    this.#answer("newDraft", () => {
      const answered = inReplyTo === null ? null : this.#envelope(inReplyTo).row;
      const draft: Draft = {
        id: hex(this.#made++, 16), inReplyTo: answered && messageOf(answered.id), body: "", files: [], savedAt: Date.now(),
        to: answered?.from ? [answered.from.account] : (answered?.to.map((to) => to.party.account) ?? []),
        subject: answered ? `Re: ${answered.subject.replace(/^Re: /, "")}` : "",
      };
      this.world.drafts.push(draft);
      this.#later(() => this.#draftsTold(draft.id));
      return draft;
    }, "open");
  saveDraft = (id: string, text: DraftText) =>
    this.#answer("saveDraft", () => {
      this.#setDraft({ ...this.#draft(id), ...text, savedAt: Date.now() });
      return null;
    }, "open");
  discardDraft = (id: string) =>
    this.#answer("discardDraft", () => {
      this.world.drafts = this.world.drafts.filter((draft) => draft.id !== id);
      this.#later(() => this.#draftsTold(id));
      return null;
    }, "open");
  attachFiles = (id: string) =>
    this.#answer("attachFiles", () => {
      const added: FileView = { id: hex(this.#made++, 16), name: "floor-plan.pdf", size: 2_204_160, type: "application/pdf", state: { kind: "here" } };
      const draft = this.#draft(id);
      return this.#setDraft({ ...draft, files: [...draft.files, added], savedAt: Date.now() });
    }, "open");
  detachFile = (id: string, file: string) =>
    this.#answer("detachFile", () => {
      const draft = this.#draft(id);
      return this.#setDraft({ ...draft, files: draft.files.filter((kept) => kept.id !== file) });
    }, "open");

  sendDraft = (id: string, text: DraftText) =>
    this.#answer("sendDraft", () => {
      const draft = { ...this.#draft(id), ...text };
      if (text.to.length === 0) throw fail({ kind: "noRecipients" });
      if (text.body.trim() === "" && draft.files.length === 0) throw fail({ kind: "emptyMessage" });
      const held = text.to.filter((account) => account !== this.world.me.account).map((account) => this.#contact(account)).find((contact) => contact.held);
      if (held) throw fail({ kind: "contactHeld", account: held.account });
      const view = this.#seal(draft);
      this.world.drafts = this.world.drafts.filter((kept) => kept.id !== id);
      this.#later(() => {
        this.#draftsTold(id);
        this.#changed(view);
      });
      setTimeout(() => this.#deliver(view), this.latency * 12 + 300);
      return view.row.id;
    }, "open");
  cancelSend = (id: string) =>
    this.#answer("cancelSend", () => {
      const view = this.#envelope(id);
      const draft: Draft = {
        id: hex(this.#made++, 16), to: view.row.to.map((to) => to.party.account), subject: view.row.subject, body: view.body,
        inReplyTo: view.inReplyTo, files: view.files, savedAt: Date.now(),
      };
      this.world.drafts.push(draft);
      this.#removeEnvelope(view);
      this.#later(() => this.#draftsTold(draft.id));
      return draft.id;
    }, "open");
  recall = (id: string) =>
    this.#answer("recall", () => {
      const view = this.#envelope(id);
      view.row = {
        ...view.row,
        to: view.row.to.map((to) => (to.state.kind === "atRelay" ? { ...to, state: { kind: "recalled" } } : to)),
      };
      this.#later(() => this.#changed(view));
      return null;
    }, "open");
  tryNow = (id: string | null) =>
    this.#answer("tryNow", () => {
      if (id === null) this.world.status.relay = { kind: "online", name: "localhost" };
      else this.#deliver(this.#envelope(id));
      this.#later(() => this.tell("statusChanged", {}));
      return null;
    });
  deleteEnvelope = (id: string) =>
    this.#answer("deleteEnvelope", () => {
      this.#removeEnvelope(this.#envelope(id));
      return null;
    }, "open");
  saveFile = (envelope: string, file: string) => this.#answer("saveFile", () => this.#saveFile(envelope, file), "open");
  saveFileAs = (envelope: string, file: string) => this.#answer("saveFileAs", () => this.#saveFile(envelope, file), "open");
  cancelTransfer = (file: string) =>
    this.#answer("cancelTransfer", () => {
      for (const view of this.world.envelopes)
        view.files = view.files.map((kept) => (kept.id === file ? { ...kept, state: { kind: "atRelay" } } : kept));
      this.world.drafts = this.world.drafts.map((draft) => ({ ...draft, files: draft.files.filter((kept) => kept.id !== file) }));
      return null;
    }, "open");
  setDropTarget = (_draft: string | null) => this.#answer("setDropTarget", () => null);

  // ---- do: contacts
  addContact = (address: string) =>
    this.#answer("addContact", () => {
      const [name = "", relay] = address.trim().toLowerCase().split("@");
      if (!/^[a-z][a-z0-9._-]{1,31}$/.test(name) || !relay) throw fail({ kind: "addressInvalid" });
      if (relay !== "localhost") throw fail({ kind: "addressElsewhere", relay });
      if (name.startsWith("nobody")) throw fail({ kind: "addressUnknown" });
      const known = this.world.contacts.find((contact) => contact.address === `${name}@${relay}`);
      if (known?.stranger) return this.#setContact({ ...known, stranger: false });
      if (known || `${name}@${relay}` === this.world.me.address) throw fail({ kind: "contactExists" });
      const seed = this.#made++;
      const contact: Contact = {
        account: hex(seed, 32), name: name.charAt(0).toUpperCase() + name.slice(1), address: `${name}@${relay}`, addedAt: Date.now(),
        compared: "notCompared", comparedAt: null, keyCode: keyCode(seed), held: false,
        evidence: [{ at: Date.now(), kind: "first" }], stranger: false,
      };
      this.world.contacts = [...this.world.contacts, contact];
      this.#later(() => this.tell("contactsChanged", { account: contact.account }));
      return contact;
    }, "open");
  renameContact = (account: string, name: string) =>
    this.#answer("renameContact", () => this.#setContact({ ...this.#contact(account), name }), "open");
  removeContact = (account: string) =>
    this.#answer("removeContact", () => {
      this.#setContact({ ...this.#contact(account), stranger: true });
      return null;
    }, "open");
  markCompared = (account: string, same: boolean) =>
    this.#answer("markCompared", () => {
      const contact = this.#contact(account);
      const at = Date.now();
      if (!same)
        return this.#setContact({
          ...contact, compared: "differs", comparedAt: null, held: true,
          evidence: [...contact.evidence, { at, kind: "differed" }],
        });
      return this.#setContact({
        ...contact, compared: "compared", comparedAt: at, held: false,
        evidence: [...contact.evidence, { at, kind: "compared" }],
      });
    }, "open");
  acceptChange = (account: string) =>
    this.#answer("acceptChange", () => {
      const contact = this.#contact(account);
      return this.#setContact({
        ...contact, compared: "notCompared", held: false,
        evidence: [...contact.evidence, { at: Date.now(), kind: "accepted" }],
      });
    }, "open");
  ownQr = () => this.#answer("ownQr", () => ({ rows: qrRows() }), "open");
  contactQr = (account: string) => this.#answer("contactQr", () => (this.#contact(account), { rows: qrRows() }), "open");
  compareQrFile = (account: string): Promise<Result<QrComparison | null>> => this.#compareQr("compareQrFile", account);
  compareQrClipboard = (account: string) => this.#compareQr("compareQrClipboard", account);
  #compareQr = (command: string, account: string) =>
    this.#answer(command, () => {
      const contact = this.#contact(account);
      if (this.world.qr !== "same") return this.world.qr;
      const at = Date.now();
      this.#setContact({ ...contact, compared: "compared", comparedAt: at, held: false, evidence: [...contact.evidence, { at, kind: "compared" }] });
      return this.world.qr;
    }, "open");
  copyText = (_text: string) => this.#answer("copyText", () => null);
  copySecret = (_text: string) => this.#answer("copySecret", () => 60);

  // ---- do: settings
  saveSettings = (settings: Settings) =>
    this.#answer("saveSettings", () => {
      this.world.settings = settings;
      this.#later(() => this.tell("settingsChanged", {}));
      return settings;
    });
  setLocalRelay = (running: boolean) =>
    this.#answer("setLocalRelay", () => {
      this.world.status.localRelay = running ? "running" : "stopped";
      this.world.status.relay = running
        ? { kind: "online", name: "localhost" }
        : { kind: "offline", reason: "relayRefused", nextTry: Date.now() + 8000 };
      return this.#status();
    });

  // ---- the keys window
  openKeys = () => this.#answer("openKeys", () => null);
  vaultKeys = () => this.#answer("vaultKeys", () => this.world.vaultKeys, "open");
  changePassphrase = (current: string, newPassphrase: string, althoughWeak: boolean) =>
    this.#answer("changePassphrase", () => {
      const { score } = strengthOf(newPassphrase);
      if (!althoughWeak && score < 3) throw fail({ kind: "weakPassphrase", score });
      if (current !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      this.world.passphrase = newPassphrase;
      const { vaultKeys } = this.world;
      this.world.vaultKeys = { ...vaultKeys, generation: vaultKeys.generation + 1, passphraseSetAt: Date.now() };
      this.#note("passphraseChanged");
      this.#later(() => this.tell("stageChanged", {}));
      return this.world.vaultKeys;
    }, "open");
  devices = () => this.#answer("devices", () => this.world.devices, "open");
  beginLink = (_relay: RelayChoice, name: string) =>
    this.#answer("beginLink", () => {
      if (new TextEncoder().encode(name).length > 64) throw fail({ kind: "deviceNameInvalid" });
      const endsAt = Date.now() + 300_000;
      this.#linkTo({ kind: "invited", endsAt });
      return { text: `waxwing-link:${hex(81, 60)}`, qr: { rows: qrRows() }, endsAt };
    });
  linkStatus = () => this.#answer("linkStatus", () => this.world.link);
  cancelLink = () => this.#answer("cancelLink", () => (this.#linkTo({ kind: "none" }), null));
  finishLink = (_passphrase: string) =>
    this.#answer("finishLink", (): Stage => (this.world.stage = { kind: "onboarding", step: "recovery", name: "alice", relay: { kind: "thisComputer" } }));
  acceptLink = (text: string) =>
    this.#answer("acceptLink", () => {
      if (!text.startsWith("waxwing-link:")) throw fail({ kind: "linkInvalid" });
      return this.#asked();
    }, "open");
  acceptLinkFile = (): Promise<Result<LinkStatus | null>> => this.#answer("acceptLinkFile", () => this.#asked(), "open");
  acceptLinkClipboard = () => this.#answer("acceptLinkClipboard", () => this.#asked(), "open");
  #asked = () => this.#linkTo({ kind: "codeWanted", device: "Workshop", tries: 3, endsAt: Date.now() + 300_000 });
  confirmLink = (code: string, passphrase: string) =>
    this.#answer("confirmLink", () => {
      const { link } = this.world;
      if (link.kind !== "codeWanted") throw fail({ kind: "notFound" });
      if (code !== "4711") {
        const wrong: Failure = { kind: "linkCode", tries: link.tries - 1 };
        this.#linkTo(wrong.tries > 0 ? { ...link, tries: wrong.tries } : { kind: "failed", failure: wrong });
        throw fail(wrong);
      }
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      this.world.devices = [...this.world.devices, { id: hex(33, 16), name: "Workshop", this: false, addedAt: Date.now(), lastSeen: Date.now() }];
      this.historyTo({ device: hex(33, 16), name: "Workshop", isGiven: true, state: { kind: "underway", done: 2_400_000, total: 9_800_000 } });
      this.#note("deviceLinked", "Workshop");
      return this.#linkTo({ kind: "given", device: "Workshop" });
    }, "open");
  removeDevice = (id: string, passphrase: string) =>
    this.#answer("removeDevice", () => {
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      this.#note("deviceRemoved", this.world.devices.find((device) => device.id === id)?.name ?? "");
      this.world.devices = this.world.devices.filter((device) => device.id !== id);
      return this.world.devices;
    }, "open");
  renameDevice = (id: string, name: string) =>
    this.#answer("renameDevice", () => (this.world.devices = this.world.devices.map((device) => (device.id === id ? { ...device, name } : device))), "open");
  histories = () => this.#answer("histories", () => this.world.histories, "open");
  giveHistory = (device: string) =>
    this.#answer("giveHistory", () => {
      const name = this.world.devices.find(({ id }) => id === device)?.name ?? null;
      return this.historyTo({ device, name, isGiven: true, state: { kind: "waiting" } });
    }, "open");
  /** Turns a history, as the relay or the other computer would. */
  historyTo = (history: History): History[] => {
    const others = this.world.histories.filter(({ device }) => device !== history.device);
    this.world.histories = [...others, history];
    this.#later(() => this.tell("linkChanged", {}));
    return this.world.histories;
  };
  /** Turns the link, as the other computer would. */
  linkTo = (status: LinkStatus) => void this.#linkTo(status);
  #linkTo(status: LinkStatus): LinkStatus {
    this.world.link = status;
    this.#later(() => this.tell("linkChanged", {}));
    return status;
  }
  renewalPreflight = () =>
    this.#answer("renewalPreflight", (): Preflight[] => [
      { check: { kind: "relay", reason: this.world.status.relay.kind === "offline" ? this.world.status.relay.reason : null }, passes: this.world.status.relay.kind === "online" },
      { check: { kind: "card", shows: this.world.me.relayShows }, passes: this.world.me.relayShows === "agrees" },
      { check: { kind: "unfetched", outbox: this.world.status.outbox, atRelay: 2 }, passes: true },
      { check: { kind: "room", needed: 48_000_000, free: 91_000_000_000 }, passes: true },
      { check: { kind: "clock", seconds: 0 }, passes: true },
    ], "open");
  keyRenewal = () => this.#answer("keyRenewal", () => this.world.renewal, "open");
  rotateKey = (passphrase: string) => this.#answer("rotateKey", () => this.#renew(passphrase, "rotate"), "open");
  resetKey = (passphrase: string) => this.#answer("resetKey", () => this.#renew(passphrase, "reset"), "open");
  revokeKey = (passphrase: string, lastFour: string) =>
    this.#answer("revokeKey", () => {
      if (lastFour !== this.world.me.ownCode.join("").slice(-4)) throw fail({ kind: "keyCodeDiffers" });
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      this.world.me = { ...this.world.me, revokedAt: Date.now() };
      this.#note("revoked");
      this.#later(() => this.tell("contactsChanged", { account: null }));
      return null;
    }, "open");
  revocationStatement = (passphrase: string) =>
    this.#answer("revocationStatement", () => {
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      this.#note("revocationExported");
      return `-----BEGIN WAXWING REVOCATION-----\n${hex(77, 90).match(/.{1,64}/g)?.join("\n")}\n-----END WAXWING REVOCATION-----`;
    }, "open");
  publishRevocation = (_text: string) => this.#answer("publishRevocation", () => null, "open");
  exportCard = () => this.#answer("exportCard", () => `-----BEGIN WAXWING CARD-----\n${hex(78, 120)}\n-----END WAXWING CARD-----`, "open");
  #renew(passphrase: string, kind: RenewalKind): null {
    if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
    const told = this.world.contacts.filter((contact) => !contact.stranger && !contact.held);
    this.world.renewal = {
      kind, state: { kind: "done" }, since: Date.now(), toSealAgain: 0,
      told: told.map((contact) => ({ party: partyOf(contact), state: "atRelay", since: Date.now() })),
    };
    this.world.me = { ...this.world.me, ownCode: keyCode(2).slice(0, 6), revokedAt: null };
    this.#note(kind === "rotate" ? "keyRotated" : "keyReset");
    this.#later(() => this.tell("renewalChanged", {}));
    return null;
  }
  strengthen = (passphrase: string) =>
    this.#answer("strengthen", () => {
      if (passphrase !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      const { vaultKeys } = this.world;
      this.world.vaultKeys = { ...vaultKeys, generation: vaultKeys.generation + 1, unlock: { milliseconds: 940, memoryMiB: 256 }, canStrengthen: false };
      this.world.status.canStrengthen = false;
      this.#note("lockStrengthened");
      return this.world.vaultKeys;
    }, "open");
  testRecovery = (words: string) =>
    this.#answer("testRecovery", () => {
      if (words !== this.world.recoveryWords.join(" ")) throw this.#mistyped(words);
      this.world.vaultKeys = { ...this.world.vaultKeys, recoveryTestedAt: Date.now() };
      this.#note("recoveryTested");
      return this.world.vaultKeys;
    }, "open");
  rekey = () => this.#answer("rekey", () => this.world.rekey, "open");
  beginRekey = (current: string, newPassphrase: string, althoughWeak: boolean, renewal: RenewalKind | null) =>
    this.#answer("beginRekey", () => {
      const { score } = strengthOf(newPassphrase);
      if (!althoughWeak && score < 3) throw fail({ kind: "weakPassphrase", score });
      if (this.world.rekey) throw fail({ kind: "rekeyUnderWay" });
      if (current !== this.world.passphrase) throw fail({ kind: "wrongPassphrase" });
      if (newPassphrase === current) throw fail({ kind: "samePassphrase" });
      const words = this.world.recoveryWords.toReversed();
      this.world.rekeyTo = { passphrase: newPassphrase, words, confirmed: false };
      this.world.rekey = { percent: 0, copied: 0, total: 400, state: { kind: "copying" } };
      if (renewal) this.world.renewal = { kind: renewal, state: { kind: "afterRekey" }, since: Date.now(), toSealAgain: 0, told: [] };
      this.#note("rekeyBegun");
      this.#rekeyMoved();
      return words;
    }, "open");
  rekeyCode = () =>
    this.#answer("rekeyCode", () => {
      const { rekeyTo } = this.world;
      if (!rekeyTo || rekeyTo.confirmed) throw fail({ kind: "notFound" });
      return rekeyTo.words;
    }, "open");
  confirmRekeyCode = (groups: [number, string][]) =>
    this.#answer("confirmRekeyCode", () => {
      const { rekeyTo } = this.world;
      if (!rekeyTo) throw fail({ kind: "notFound" });
      const wrong = groups.find(([group, words]) => words !== rekeyTo.words.slice(group * 4, group * 4 + 4).join(" "));
      if (wrong) throw fail({ kind: "recoveryMismatch", group: wrong[0] });
      rekeyTo.confirmed = true;
      if (this.world.rekey?.state.kind === "codeUnconfirmed") this.#finishRekey();
      return this.world.rekey;
    }, "open");
  pauseRekey = () => this.#turnRekey("pauseRekey", { kind: "paused" });
  resumeRekey = () => this.#turnRekey("resumeRekey", { kind: "copying" });
  continueRekey = (newPassphrase: string, _words: string | null) =>
    this.#answer("continueRekey", () => {
      const { rekey, rekeyTo } = this.world;
      if (!rekey || !rekeyTo) throw fail({ kind: "notFound" });
      if (newPassphrase !== rekeyTo.passphrase) throw fail({ kind: "wrongPassphrase" });
      rekeyTo.confirmed = false;
      this.world.rekey = { ...rekey, state: { kind: "copying" } };
      this.#rekeyMoved();
      return this.world.rekey;
    }, "open");
  undoRekey = () =>
    this.#answer("undoRekey", () => {
      if (!this.world.rekey) throw fail({ kind: "notFound" });
      this.world.rekey = null;
      this.world.rekeyTo = null;
      if (this.world.renewal?.state.kind === "afterRekey") this.world.renewal = null;
      this.#note("rekeyUndone");
      this.#rekeyMoved();
      return null;
    }, "open");
  activity = (cursor: string | null, limit: number) =>
    this.#answer("activity", () => pageOf(this.world.activity.toReversed(), cursor, limit), "open");

  dropBoxes = () => this.#answer("dropBoxes", () => this.world.boxes, "open");
  makeDropBox = (name: string, days: number, burn: BurnRule) =>
    this.#answer("makeDropBox", () => {
      const [seed, at] = [this.#made++, Date.now()];
      const made: DropBox = {
        id: hex(seed, 16), name, link: linkOf(seed), kind: "sealedHere", burn, madeAt: at, expiresAt: at + days * DAY,
        state: this.world.status.relay.kind === "online" ? "open" : "new", waiting: 0, opened: 0, lastDrop: null,
      };
      this.world.boxes = [made, ...this.world.boxes];
      this.#later(() => this.tell("dropBoxesChanged", {}));
      return made;
    }, "open");
  removeDropBox = (id: string) =>
    this.#answer("removeDropBox", () => {
      found(this.world.boxes.find((box) => box.id === id));
      this.world.boxes = this.world.boxes.filter((box) => box.id !== id);
      this.#later(() => this.tell("dropBoxesChanged", {}));
      return null;
    }, "open");
  dropBoxQr = (id: string) => this.#answer("dropBoxQr", () => (found(this.world.boxes.find((box) => box.id === id)), { rows: qrRows() }), "open");

  backups = () => this.#answer("backups", () => this.world.backups, "open");
  writeBackup = () =>
    this.#answer("writeBackup", () => {
      const at = Date.now();
      this.world.backups = [
        {
          id: hex(this.#made++, 16), place: "/media/alice/stick/waxwing-default-2026-11-21.waxwing-backup", isThere: true, madeAt: at,
          generation: this.world.vaultKeys.generation, size: 4_812_340, messages: 42, contacts: this.world.contacts.length, files: 3,
          code: { kind: "present" },
        },
        ...this.world.backups,
      ];
      this.#note("backupWritten");
      return this.world.backups;
    }, "open");
  forgetBackup = (id: string) =>
    this.#answer("forgetBackup", () => (this.world.backups = this.world.backups.filter((kept) => kept.id !== id)), "open");

  // ---- what tests make happen
  /** The new key comes to so many percent; at 100 it waits for the code, or is finished. */
  copyTo(percent: number): void {
    const { rekey } = this.world;
    if (!rekey) return;
    this.world.rekey = { ...rekey, percent, copied: percent * 4 };
    if (percent < 100) return this.#rekeyMoved();
    if (this.world.rekeyTo?.confirmed) return this.#finishRekey();
    this.world.rekey.state = { kind: "codeUnconfirmed" };
    this.#rekeyMoved();
  }

  #finishRekey(): void {
    const { rekeyTo, vaultKeys } = this.world;
    if (!rekeyTo) return;
    this.world.passphrase = rekeyTo.passphrase;
    this.world.recoveryWords = rekeyTo.words;
    this.world.vaultKeys = { ...vaultKeys, generation: vaultKeys.generation + 2, passphraseSetAt: Date.now(), recoveryTestedAt: null };
    this.world.rekey = null;
    this.world.rekeyTo = null;
    this.#note("rekeyFinished");
    if (this.world.renewal?.state.kind === "afterRekey") this.#renew(this.world.passphrase, this.world.renewal.kind);
    this.#rekeyMoved();
    this.#later(() => this.tell("stageChanged", {}));
  }

  #turnRekey(command: "pauseRekey" | "resumeRekey", state: RekeyState) {
    return this.#answer(command, () => {
      if (this.world.rekey) this.world.rekey = { ...this.world.rekey, state };
      this.#rekeyMoved();
      return this.world.rekey;
    }, "open");
  }

  #rekeyMoved(): void {
    this.#later(() => this.tell("rekeyChanged", {}));
  }

  /** How far a backup is that is being written or restored. */
  work(work: World["backupWork"]): null {
    this.world.backupWork = work;
    this.tell("backupChanged", {});
    return null;
  }

  arrive(from: Contact | null, subject: string, body: string): void {
    const me = this.world.me;
    const view: EnvelopeView = {
      row: {
        id: `in-${hex(this.#made++, 16)}`, folder: "inbox", to: [], incoming: { kind: "waiting" }, subject, preview: body.slice(0, 120),
        from: from ? partyOf(from) : youOf(me), drop: null,
        at: Date.now(), claimedAt: null, attachments: 0,
      },
      body, files: [], inReplyTo: null, missingBefore: 0, otherBefore: false, unknownKind: null,
    };
    this.world.envelopes.push(view);
    this.#changed(view);
  }

  // ---- inside
  async #answer<T>(command: string, act: () => T, needs?: "open"): Promise<Result<T>> {
    this.calls.push(command);
    if (this.latency > 0) await new Promise((resolve) => setTimeout(resolve, this.latency));
    const failure = this.#failures.get(command);
    if (failure) return { status: "error", error: failure };
    if (needs && this.world.stage.kind !== "open") return { status: "error", error: { kind: "locked" } };
    try {
      return { status: "ok", data: structuredClone(act()) };
    } catch (thrown) {
      if (thrown instanceof Refused) return { status: "error", error: thrown.failure };
      throw thrown;
    }
  }

  #later(tell: () => void): void {
    setTimeout(tell, this.latency);
  }

  #stage(stage: Stage): Stage {
    this.world.stage = stage;
    this.#later(() => this.tell("stageChanged", {}));
    return stage;
  }

  #step(step: "identity" | "recovery" | "done" | "restored"): Stage {
    const { name } = this.world.me;
    return this.#stage({ kind: "onboarding", step, name, relay: this.world.settings.relay });
  }

  /** As the shell tells them apart: a word of no code, words that make none, and another vault's code. */
  #mistyped(words: string): Refused {
    const typed = words.split(" ");
    const unknown = typed.findIndex((word) => ![...this.world.recoveryWords, ...WORDS].includes(word));
    if (unknown >= 0) return fail({ kind: "recoveryMismatch", group: Math.floor(unknown / 4) });
    return fail({ kind: typed.length === 24 && typed.every((word) => WORDS.includes(word)) ? "recoveryOther" : "recoveryMistyped" });
  }

  #note(kind: ActivityKind, about = ""): void {
    this.world.activity.push({ number: this.world.activity.length, at: Date.now(), kind, about });
  }

  #status() {
    const { envelopes, drafts, status } = this.world;
    return {
      ...status,
      outbox: envelopes.filter((view) => view.row.folder === "outbox").length,
      waiting: envelopes.filter((view) => view.row.incoming?.kind === "waiting").length,
      drafts: drafts.length,
      nextTry: envelopes.some((view) => view.row.to.some((to) => to.state.kind === "retrying")) ? status.nextTry : null,
    };
  }

  #seal(draft: Draft): EnvelopeView {
    const view: EnvelopeView = {
      row: {
        id: `out-${hex(this.#made++, 16)}`, folder: "outbox", from: null, drop: null, incoming: null, subject: draft.subject,
        to: draft.to.map((account) => ({ party: account === this.world.me.account ? youOf(this.world.me) : partyOf(this.#contact(account)), state: { kind: "queued", behind: false }, leftOut: 0 })),
        preview: draft.body.slice(0, 120), at: Date.now(), claimedAt: null, attachments: draft.files.length,
      },
      body: draft.body, files: draft.files, inReplyTo: draft.inReplyTo, missingBefore: 0, otherBefore: false, unknownKind: null,
    };
    this.world.envelopes.push(view);
    return view;
  }

  #deliver(view: EnvelopeView): void {
    if (this.world.status.relay.kind !== "online") return;
    const to = view.row.to.map((one) => (one.state.kind === "needsYou" ? one : { ...one, state: { kind: "atRelay" as const } }));
    const left = leftTheOutbox(to.map((one) => one.state));
    view.row = { ...view.row, to, folder: left ? "sent" : "outbox" };
    this.tell("envelopesChanged", { folder: "outbox", id: view.row.id });
    this.#changed(view);
  }

  #changed(view: EnvelopeView): void {
    this.tell("envelopesChanged", { folder: view.row.folder, id: view.row.id });
    this.tell("statusChanged", {});
  }

  #removeEnvelope(view: EnvelopeView): void {
    this.world.envelopes = this.world.envelopes.filter((kept) => kept !== view);
    this.#later(() => this.#changed(view));
  }

  #saveFile(envelope: string, file: string): FileView {
    const view = this.#envelope(envelope);
    const found = view.files.find((kept) => kept.id === file);
    if (!found) throw fail({ kind: "notFound" });
    const saved: FileView = { ...found, state: { kind: "saved", path: `Downloads/${found.name}` } };
    view.files = view.files.map((kept) => (kept.id === file ? saved : kept));
    return saved;
  }

  #draftsTold(id: string): void {
    this.tell("draftsChanged", { id });
    this.tell("statusChanged", {});
  }

  #setDraft(draft: Draft): Draft {
    this.world.drafts = this.world.drafts.map((kept) => (kept.id === draft.id ? draft : kept));
    this.#later(() => this.#draftsTold(draft.id));
    return draft;
  }

  #setContact(contact: Contact): Contact {
    this.world.contacts = this.world.contacts.map((kept) => (kept.account === contact.account ? contact : kept));
    this.#later(() => this.tell("contactsChanged", { account: contact.account }));
    return contact;
  }

  #envelope = (id: string) => found(this.world.envelopes.find((view) => view.row.id === id));
  #draft = (id: string) => found(this.world.drafts.find((draft) => draft.id === id));
  #contact = (account: string) => found(this.world.contacts.find((contact) => contact.account === account));
}

function strengthOf(passphrase: string) {
  const power = Math.min(40, passphrase.length * 0.9);
  const score = power < 6 ? 0 : power < 9 ? 1 : power < 12 ? 2 : power < 16 ? 3 : 4;
  return { score, warning: score < 2 ? "ThisIsSimilarToACommonlyUsedPassword" : null, guessesLog10: Math.round(power) };
}

function pageOf<T>(rows: T[], cursor: string | null, limit: number): Page<T> {
  const from = Number(cursor ?? "0");
  const next = from + limit < rows.length ? String(from + limit) : null;
  return { items: rows.slice(from, from + limit), next, total: rows.length };
}

class Refused extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.kind);
    this.failure = failure;
  }
}

function fail(failure: Failure): Refused {
  return new Refused(failure);
}

function found<T>(thing: T | undefined): T {
  if (thing === undefined) throw fail({ kind: "notFound" });
  return thing;
}
