// Everything the face shows, in one place: one class per noun, wired to the shell's events.
// Invariant: when the stage is not `open`, no class holds anything that came out of the vault.
import type { Port, Unlisten } from "../ipc";
import { Announcer } from "./announcer.svelte";
import { Clock } from "./clock.svelte";
import { ContactsState } from "./contacts.svelte";
import { DraftsState } from "./drafts.svelte";
import { FolderState } from "./folder.svelte";
import { OnboardingState } from "./onboarding.svelte";
import { OpenedState } from "./opened.svelte";
import { Place, type Detail, type Section } from "./place.svelte";
import { SettingsState } from "./settings.svelte";
import { StageState } from "./stage.svelte";
import { StatusState } from "./status.svelte";

const BETWEEN_SIGNS_OF_LIFE = 10_000;
const REOPENED_SHOWN = 8_000;

export class Face {
  readonly stage: StageState;
  readonly onboarding: OnboardingState;
  readonly status: StatusState;
  readonly settings: SettingsState;
  readonly contacts: ContactsState;
  readonly drafts: DraftsState;
  readonly opened: OpenedState;
  readonly folders: { inbox: FolderState; outbox: FolderState; sent: FolderState };
  readonly place = new Place();
  readonly clock = new Clock();
  readonly announcer = new Announcer();
  /** Waxwing was started again for this vault a moment ago, and this window came to the front. */
  reopened = $state(false);

  readonly #port: Port;
  #unlisten: Unlisten[] = [];
  #wasOpen = false;
  #lastSign = 0;
  #reopenedEnds: ReturnType<typeof setTimeout> | undefined;

  constructor(port: Port) {
    this.#port = port;
    this.stage = new StageState(port);
    this.onboarding = new OnboardingState(port);
    this.status = new StatusState(port);
    this.settings = new SettingsState(port);
    this.contacts = new ContactsState(port);
    this.drafts = new DraftsState(port);
    this.opened = new OpenedState(port);
    this.folders = {
      inbox: new FolderState(port, "inbox"),
      outbox: new FolderState(port, "outbox"),
      sent: new FolderState(port, "sent"),
    };
  }

  async start(): Promise<void> {
    const port = this.#port;
    this.#unlisten = await Promise.all([
      port.listen("stageChanged", () => void this.stage.read()),
      port.listen("statusChanged", () => void this.status.read()),
      port.listen("settingsChanged", () => void this.settings.read()),
      port.listen("contactsChanged", () =>
        this.#ifOpen(() => Promise.all([this.contacts.read(), this.opened.id === null ? null : this.opened.read()])),
      ),
      port.listen("draftsChanged", ({ id }) =>
        this.#ifOpen(async () => {
          const writing = this.drafts.writing;
          await Promise.all([
            this.drafts.read(),
            // A file was sealed, or could not be.
            writing && writing.id === id && writing.files.length > 0 ? writing.readFiles() : null,
          ]);
        }),
      ),
      port.listen("envelopesChanged", ({ folder, id }) =>
        this.#ifOpen(async () => {
          const folderState = this.folders[folder];
          await Promise.all([
            folderState.loaded || this.place.section === folder ? folderState.read() : null,
            this.opened.id !== null && (id === null || id === this.opened.id) ? this.opened.read() : null,
          ]);
        }),
      ),
      port.listen("transferChanged", ({ owner, file, done, total }) => {
        if (owner === this.opened.id) this.opened.progressed(file, done, total);
        const writing = this.drafts.writing;
        if (writing && owner === writing.id) writing.progress = { ...writing.progress, [file]: { done, total } };
      }),
      port.listen("reopened", () => this.#reopened()),
      port.listen("filesDropped", ({ draft, failure }) => {
        if (this.drafts.writing?.id === draft) void this.drafts.writing.dropped(failure);
      }),
    ]);
    this.clock.start();
    await Promise.all([this.settings.read(), this.stage.read()]);
  }

  stop(): void {
    for (const unlisten of this.#unlisten) unlisten();
    this.#unlisten = [];
    this.clock.stop();
    this.#reopenedOver();
  }

  /** Called whenever the stage changes: fills what an open window shows, or empties everything. */
  stageMoved(): void {
    const open = this.stage.current?.kind === "open";
    if (open && !this.#wasOpen) void this.#fill();
    if (!open) this.#empty();
    this.#wasOpen = open;
  }

  /** Goes to a section; its list is read anew, its detail is as it was left. */
  go(section: Section): void {
    this.place.go(section);
    this.#follow();
    if (section === "inbox" || section === "outbox" || section === "sent") void this.folders[section].read();
  }

  show(detail: Detail | null): void {
    this.place.show(detail);
    this.#follow();
  }

  /** Shows what an act led to, unless the person has left the place `from` where it began. */
  lead(from: Detail | null, detail: Detail | null): void {
    if (this.place.detail === from) this.show(detail);
  }

  /** Out of the detail pane: to what the composer covered, else to the list. */
  back(): void {
    this.place.back();
    this.#follow();
  }

  async write(inReplyTo: string | null = null): Promise<void> {
    if (this.place.section === "settings") this.place.go("drafts");
    const id = await this.drafts.begin(inReplyTo);
    if (id !== null) this.show({ kind: "draft", id });
    // Among the drafts it is said why there is none.
    else this.place.go("drafts");
  }

  async writeTo(account: string): Promise<void> {
    await this.write();
    this.drafts.writing?.edited({ to: [account] });
  }

  /** Seals and queues what is being written, then shows what becomes of it. */
  async send(): Promise<boolean> {
    const from = this.place.detail;
    const envelope = await this.drafts.send();
    if (envelope === null) return false;
    if (this.place.detail === from) {
      this.place.back();
      this.show({ kind: "envelope", id: envelope });
    }
    return true;
  }

  /** Locks after saving what is being written. */
  async lock(): Promise<void> {
    await this.drafts.leave();
    await this.stage.lock();
  }

  /** A sign of life from the person; tells the shell at most every ten seconds. */
  stillHere(): void {
    const now = Date.now();
    if (!this.#wasOpen || now - this.#lastSign < BETWEEN_SIGNS_OF_LIFE) return;
    this.#lastSign = now;
    void this.#port.stillHere();
  }

  async #fill(): Promise<void> {
    await Promise.all([
      this.onboarding.clear(),
      this.status.read(),
      this.settings.read(),
      this.contacts.read(),
      this.drafts.read(),
      this.folders.inbox.read(),
    ]);
  }

  #empty(): void {
    this.status.clear();
    this.contacts.clear();
    this.drafts.clear();
    this.opened.clear();
    for (const folder of Object.values(this.folders)) folder.clear();
    this.place.clear();
    this.announcer.clear();
    this.#reopenedOver();
  }

  /** Said only of an open vault: on the lock screen the window in front says enough. */
  #reopened(): void {
    if (this.stage.current?.kind !== "open") return;
    this.#reopenedOver();
    this.reopened = true;
    this.#reopenedEnds = setTimeout(() => this.#reopenedOver(), REOPENED_SHOWN);
  }

  #reopenedOver(): void {
    clearTimeout(this.#reopenedEnds);
    this.reopened = false;
  }

  #follow(): void {
    const detail = this.place.detail;
    if (detail?.kind === "envelope") this.opened.open(detail.id);
    else this.opened.clear();
    if (detail?.kind === "draft") void this.drafts.open(detail.id);
    else void this.drafts.leave();
  }

  #ifOpen(read: () => Promise<unknown>): void {
    if (this.stage.current?.kind === "open") void read();
  }
}
