// The drafts, and the one that is being written: edits are saved by themselves and flushed before locking.
import { SvelteMap } from "svelte/reactivity";
import type { Draft, DraftText, Failure, Port, Result } from "../ipc";
import { Reread } from "./reread";

const PAUSE_BEFORE_SAVE = 500;

export class DraftsState {
  list = $state.raw<Draft[]>([]);
  loaded = $state(false);
  failure = $state.raw<Failure | null>(null);
  writing = $state.raw<Writing | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<Draft[]>>;
  #wanted: string | null = null;
  /** What could not be saved when it was left, kept until it can be. */
  readonly #unsaved = new SvelteMap<string, Writing>();

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => readAll(port),
      (answer) => {
        this.loaded = true;
        this.failure = answer.status === "error" ? answer.error : null;
        if (answer.status === "ok") this.list = answer.data;
      },
    );
  }

  read = () => this.#reread.now();

  async begin(inReplyTo: string | null): Promise<string | null> {
    const answer = await this.#port.newDraft(inReplyTo);
    if (answer.status === "error") {
      this.failure = answer.error;
      return null;
    }
    await this.#take(new Writing(this.#port, answer.data));
    return answer.data.id;
  }

  async open(id: string): Promise<void> {
    this.#wanted = id;
    if (this.writing?.id === id) return;
    const unsaved = this.#unsaved.get(id);
    if (unsaved) {
      this.#unsaved.delete(id);
      unsaved.edited({});
      return this.#take(unsaved);
    }
    const answer = await this.#port.draft(id);
    if (this.#wanted !== id) return;
    if (answer.status === "ok") await this.#take(new Writing(this.#port, answer.data));
    else this.failure = answer.error;
  }

  /** Ends writing: what was typed is saved first. */
  async leave(): Promise<void> {
    this.#wanted = null;
    const writing = this.writing;
    if (!writing) return;
    await this.#save(writing);
    if (this.writing === writing && this.#wanted !== writing.id) {
      this.writing = null;
      await this.#port.setDropTarget(null);
    }
  }

  async discard(id: string): Promise<void> {
    if (this.writing?.id === id) {
      this.writing.abandon();
      this.writing = null;
      await this.#port.setDropTarget(null);
    }
    this.#unsaved.delete(id);
    const answer = await this.#port.discardDraft(id);
    if (answer.status === "error") this.failure = answer.error;
    await this.read();
  }

  /** Seals and queues; answers the envelope's id, or nothing when it stays a draft. */
  async send(): Promise<string | null> {
    const writing = this.writing;
    if (!writing) return null;
    const envelope = await writing.send();
    if (envelope !== null && this.writing === writing) {
      this.writing = null;
      await this.#port.setDropTarget(null);
    }
    return envelope;
  }

  clear(): void {
    this.#reread.forget();
    this.#wanted = null;
    this.writing?.abandon();
    for (const unsaved of this.#unsaved.values()) unsaved.abandon();
    this.#unsaved.clear();
    this.writing = null;
    this.list = [];
    this.loaded = false;
    this.failure = null;
  }

  async #take(writing: Writing): Promise<void> {
    if (this.writing) await this.#save(this.writing);
    this.#wanted = writing.id;
    this.writing = writing;
    await this.#port.setDropTarget(writing.id);
  }

  async #save(writing: Writing): Promise<void> {
    await writing.flush();
    if (writing.saving === "failed") this.#unsaved.set(writing.id, writing);
  }
}

export class Writing {
  readonly id: string;
  readonly inReplyTo: string | null;
  to = $state.raw<string[]>([]);
  subject = $state("");
  body = $state("");
  files = $state.raw<Draft["files"]>([]);
  savedAt = $state<number | null>(null);
  saving = $state<"saved" | "unsaved" | "failed">("saved");
  sending = $state(false);
  failure = $state.raw<Failure | null>(null);
  progress = $state.raw<Readonly<Record<string, { done: number; total: number }>>>({});

  readonly #port: Port;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();
  readonly #reread: Reread<Result<Draft>>;

  constructor(port: Port, draft: Draft) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.draft(draft.id),
      (answer) => {
        if (answer.status === "ok") this.files = answer.data.files;
      },
    );
    this.id = draft.id;
    this.inReplyTo = draft.inReplyTo;
    this.to = draft.to;
    this.subject = draft.subject;
    this.body = draft.body;
    this.files = draft.files;
    this.savedAt = draft.savedAt;
  }

  get text(): DraftText {
    return { to: [...this.to], subject: this.subject, body: this.body, inReplyTo: this.inReplyTo };
  }

  get empty(): boolean {
    return this.to.length === 0 && this.subject === "" && this.body.trim() === "" && this.files.length === 0;
  }

  edited(change: Partial<Pick<Writing, "to" | "subject" | "body">>): void {
    Object.assign(this, change);
    this.saving = "unsaved";
    this.failure = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), PAUSE_BEFORE_SAVE);
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  readFiles = () => this.#reread.now();

  async dropped(failure: Failure | null): Promise<void> {
    await this.readFiles();
    this.failure = failure;
  }

  attach = () => this.#changeFiles(this.#port.attachFiles(this.id));
  detach = (file: string) => this.#changeFiles(this.#port.detachFile(this.id, file));

  async cancelTransfer(file: string): Promise<void> {
    await this.#port.cancelTransfer(file);
    await this.readFiles();
  }

  async send(): Promise<string | null> {
    if (this.sending) return null;
    clearTimeout(this.#timer);
    this.sending = true;
    this.failure = null;
    await this.#saving;
    const answer = await this.#port.sendDraft(this.id, this.text);
    this.sending = false;
    if (answer.status === "ok") return answer.data;
    this.failure = answer.error;
    return null;
  }

  /** Forgets what was typed without saving it: after discarding, and when the app has locked. */
  abandon(): void {
    clearTimeout(this.#timer);
    this.#reread.forget();
    this.saving = "saved";
    this.to = [];
    this.subject = "";
    this.body = "";
    this.files = [];
  }

  async #save(): Promise<void> {
    if (this.saving === "saved") return;
    this.saving = "saved";
    const answer = await this.#port.saveDraft(this.id, this.text);
    if (answer.status === "ok") {
      this.savedAt = Date.now();
    } else {
      this.saving = "failed";
      this.failure = answer.error;
    }
  }

  async #changeFiles(change: Promise<Result<Draft>>): Promise<void> {
    const answer = await change;
    if (answer.status === "ok") {
      this.savedAt = answer.data.savedAt;
      this.failure = null;
      // Sealing goes on meanwhile: the answer may be older than what was told since.
      await this.readFiles();
    } else if (answer.error.kind !== "cancelled") {
      this.failure = answer.error;
    }
  }
}

async function readAll(port: Port): Promise<Result<Draft[]>> {
  const drafts: Draft[] = [];
  let cursor: string | null = null;
  do {
    const answer: Awaited<ReturnType<Port["drafts"]>> = await port.drafts(cursor, 200);
    if (answer.status === "error") return answer;
    drafts.push(...answer.data.items);
    cursor = answer.data.next;
  } while (cursor !== null);
  return { status: "ok", data: drafts };
}
