// Everything the main window shows, in one place: one class per noun, wired to the shell's events.
import type { Port, Unlisten } from "../ipc";
import { BoxesState } from "./boxes.svelte";
import { DraftsState } from "./drafts.svelte";
import { FolderState } from "./folder.svelte";
import { Frame } from "./frame.svelte";
import { OnboardingState } from "./onboarding.svelte";
import { OpenedState } from "./opened.svelte";
import { Place, type Detail, type Section } from "./place.svelte";
import { StatusState } from "./status.svelte";

const REOPENED_SHOWN = 8_000;

export class Face extends Frame {
  readonly onboarding: OnboardingState;
  readonly status: StatusState;
  readonly drafts: DraftsState;
  readonly opened: OpenedState;
  readonly boxes: BoxesState;
  readonly folders: { inbox: FolderState; outbox: FolderState; sent: FolderState };
  readonly place = new Place();
  /** Waxwing was started again for this vault a moment ago, and this window came to the front. */
  reopened = $state(false);

  #reopenedEnds: ReturnType<typeof setTimeout> | undefined;

  constructor(port: Port) {
    super(port);
    this.onboarding = new OnboardingState(port);
    this.status = new StatusState(port);
    this.drafts = new DraftsState(port);
    this.opened = new OpenedState(port);
    this.boxes = new BoxesState(port);
    this.folders = {
      inbox: new FolderState(port, "inbox"),
      outbox: new FolderState(port, "outbox"),
      sent: new FolderState(port, "sent"),
    };
  }

  override stop(): void {
    super.stop();
    this.#reopenedOver();
  }

  /** Goes to a section; its list is read anew, its detail is as it was left. */
  go(section: Section): void {
    this.place.go(section);
    this.#follow();
    if (section === "inbox" || section === "outbox" || section === "sent") void this.folders[section].read();
    if (section === "boxes") void this.boxes.read();
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
  override async lock(): Promise<void> {
    await this.drafts.leave();
    await super.lock();
  }

  openKeys = () => this.port.openKeys();

  protected override hears(): Promise<Unlisten>[] {
    const { port } = this;
    return [
      ...super.hears(),
      port.listen("statusChanged", () => void this.status.read()),
      port.listen("contactsChanged", () => this.ifOpen(async () => (this.opened.id === null ? null : this.opened.read()))),
      port.listen("dropBoxesChanged", () => this.ifOpen(async () => (this.boxes.loaded ? this.boxes.read() : null))),
      port.listen("draftsChanged", ({ id }) =>
        this.ifOpen(async () => {
          const writing = this.drafts.writing;
          await Promise.all([
            this.drafts.read(),
            // A file was sealed, or could not be.
            writing && writing.id === id && writing.files.length > 0 ? writing.readFiles() : null,
          ]);
        }),
      ),
      port.listen("envelopesChanged", ({ folder, id }) =>
        this.ifOpen(async () => {
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
    ];
  }

  protected override async fill(): Promise<void> {
    this.onboarding.clear();
    await Promise.all([super.fill(), this.status.read(), this.drafts.read(), this.folders.inbox.read()]);
  }

  protected override empty(): void {
    super.empty();
    this.status.clear();
    this.drafts.clear();
    this.opened.clear();
    this.boxes.clear();
    for (const folder of Object.values(this.folders)) folder.clear();
    this.place.clear();
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
}
