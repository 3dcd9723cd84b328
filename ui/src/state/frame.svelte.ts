// What every window of the face has: the stage, the settings, the people, the time, and what is said aloud.
// Invariant: when the stage is not `open`, nothing here or in a window built on it holds what came out of the vault.
import type { Failure, Port, Unlisten } from "../ipc";
import { Announcer } from "./announcer.svelte";
import { BackupsState } from "./backups.svelte";
import { Clock } from "./clock.svelte";
import { ContactsState } from "./contacts.svelte";
import { LinkState } from "./link.svelte";
import { PassphraseState } from "./passphrase.svelte";
import { SettingsState } from "./settings.svelte";
import { StageState } from "./stage.svelte";
import { WordList } from "./words.svelte";

const BETWEEN_SIGNS_OF_LIFE = 10_000;

export class Frame {
  readonly stage: StageState;
  readonly settings: SettingsState;
  readonly contacts: ContactsState;
  readonly passphrase: PassphraseState;
  readonly backups: BackupsState;
  readonly words: WordList;
  readonly link: LinkState;
  readonly clock = new Clock();
  readonly announcer = new Announcer();
  /** When the secret that was copied last is taken off the clipboard; 0 when it was, or none was copied. */
  secretUntil = $state(0);

  protected readonly port: Port;
  #unlisten: Unlisten[] = [];
  #wasOpen = false;
  #lastSign = 0;

  constructor(port: Port) {
    this.port = port;
    this.stage = new StageState(port);
    this.settings = new SettingsState(port);
    this.contacts = new ContactsState(port);
    this.passphrase = new PassphraseState(port);
    this.backups = new BackupsState(port);
    this.words = new WordList(port);
    this.link = new LinkState(port);
  }

  async start(): Promise<void> {
    this.#unlisten = await Promise.all(this.hears());
    this.clock.start();
    await Promise.all([this.settings.read(), this.stage.read(), this.backups.readWork(), this.link.read()]);
  }

  stop(): void {
    for (const unlisten of this.#unlisten) unlisten();
    this.#unlisten = [];
    this.clock.stop();
  }

  /** Called whenever the stage changes: fills what an open window shows, or empties everything. */
  stageMoved(): void {
    const open = this.stage.current?.kind === "open";
    if (open && !this.#wasOpen) void this.fill();
    if (!open) this.empty();
    this.#wasOpen = open;
  }

  /** A sign of life from the person; tells the shell at most every ten seconds. */
  stillHere(): void {
    const now = Date.now();
    if (!this.#wasOpen || now - this.#lastSign < BETWEEN_SIGNS_OF_LIFE) return;
    this.#lastSign = now;
    void this.port.stillHere();
  }

  async lock(): Promise<void> {
    await this.stage.lock();
  }

  /** Whole seconds for which a copied secret is still on the clipboard. */
  readonly secretLeft = $derived(Math.max(0, Math.ceil((this.secretUntil - this.clock.now) / 1000)));

  /** Whole seconds for which a link is still good. */
  readonly linkLeft = $derived.by(() => (this.link.endsAt === null ? 0 : Math.max(0, Math.floor((this.link.endsAt - this.clock.now) / 1000))));

  /** Why a link does not go on; also when its time is over and nobody has said so yet. */
  readonly linkFailure = $derived.by((): Failure | null => {
    const { status, endsAt } = this.link;
    if (status.kind === "failed") return status.failure;
    return endsAt !== null && this.linkLeft === 0 ? { kind: "linkOver" } : null;
  });

  copy = (text: string) => {
    this.secretUntil = 0;
    return this.port.copyText(text);
  };

  /** Copies a secret, which leaves the clipboard by itself. Answers whether it was copied. */
  copySecret = async (text: string): Promise<boolean> => {
    const answer = await this.port.copySecret(text);
    if (answer.status === "error") return false;
    this.clock.now = Date.now();
    this.secretUntil = this.clock.now + answer.data * 1000;
    return true;
  };

  protected hears(): Promise<Unlisten>[] {
    return [
      this.port.listen("stageChanged", () => void this.stage.read()),
      this.port.listen("settingsChanged", () => void this.settings.read()),
      this.port.listen("backupChanged", () => void this.backups.readWork()),
      this.port.listen("linkChanged", () => void this.link.read()),
      this.port.listen("contactsChanged", () => this.ifOpen(() => this.contacts.read())),
    ];
  }

  protected async fill(): Promise<void> {
    this.passphrase.clear();
    await Promise.all([this.settings.read(), this.contacts.read()]);
  }

  protected empty(): void {
    this.secretUntil = 0;
    this.contacts.clear();
    this.link.clear();
    this.announcer.clear();
  }

  protected ifOpen(read: () => Promise<unknown>): void {
    if (this.stage.current?.kind === "open") void read();
  }
}
