// What every window of the face has: the stage, the settings, the people, the time, and what is said aloud.
// Invariant: when the stage is not `open`, nothing here or in a window built on it holds what came out of the vault.
import type { Port, Unlisten } from "../ipc";
import { Announcer } from "./announcer.svelte";
import { Clock } from "./clock.svelte";
import { ContactsState } from "./contacts.svelte";
import { PassphraseState } from "./passphrase.svelte";
import { SettingsState } from "./settings.svelte";
import { StageState } from "./stage.svelte";

const BETWEEN_SIGNS_OF_LIFE = 10_000;

export class Frame {
  readonly stage: StageState;
  readonly settings: SettingsState;
  readonly contacts: ContactsState;
  readonly passphrase: PassphraseState;
  readonly clock = new Clock();
  readonly announcer = new Announcer();

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
  }

  async start(): Promise<void> {
    this.#unlisten = await Promise.all(this.hears());
    this.clock.start();
    await Promise.all([this.settings.read(), this.stage.read()]);
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

  copy = (text: string) => this.port.copyText(text);

  protected hears(): Promise<Unlisten>[] {
    return [
      this.port.listen("stageChanged", () => void this.stage.read()),
      this.port.listen("settingsChanged", () => void this.settings.read()),
      this.port.listen("contactsChanged", () => this.ifOpen(() => this.contacts.read())),
    ];
  }

  protected async fill(): Promise<void> {
    this.passphrase.clear();
    await Promise.all([this.settings.read(), this.contacts.read()]);
  }

  protected empty(): void {
    this.contacts.clear();
    this.announcer.clear();
  }

  protected ifOpen(read: () => Promise<unknown>): void {
    if (this.stage.current?.kind === "open") void read();
  }
}
