// A visit to a drop box, from the link to the receipt. What the visitor wrote and chose stays until the relay has it.
import { fromHex } from "./bytes";
import { FileChanged } from "./file";
import { Refused, Relay, type Limits, type Refusal } from "./relay";
import { checkRecord, namedHash, receiptNumber, sealDrop, type Attachment, type Box, type RecordFault, type SealedDrop } from "./seal";
import { cleanName, Upload, type Step } from "./upload";

/** Why nothing can be written here. */
export type Closed = Refusal | RecordFault | "noFragment" | "tooOld" | "insecure";
/** Why it was not sent; what was written is still there. */
export type Trouble = Refusal | "fileChanged" | "textTooLong";
export type Receipt = { number: string; at: number; characters: number; files: { name: string; size: number }[] };

export type Stage =
  | { kind: "opening" }
  | { kind: "closed"; why: Closed }
  | { kind: "writing" }
  | { kind: "sending" }
  | { kind: "sent"; receipt: Receipt };

export type FileState = { kind: "chosen" } | { kind: "there" } | Step;

/** A file that the visitor chose, and how far it is. */
export class Chosen {
  readonly file: File;
  readonly name: string;
  readonly upload: Upload;
  state = $state.raw<FileState>({ kind: "chosen" });
  /** How the message names it, once the relay has all of it. */
  carried: Attachment | null = null;
  stop = new AbortController();

  constructor(file: File) {
    this.file = file;
    this.name = cleanName(file.name, "file");
    this.upload = new Upload(file, this.name, file.type || "application/octet-stream");
  }
}

export class Visit {
  stage = $state.raw<Stage>({ kind: "opening" });
  name = $state("");
  /** Milliseconds. */
  until = $state(0);
  once = $state(false);
  text = $state("");
  reach = $state("");
  files = $state.raw<Chosen[]>([]);
  trouble = $state.raw<Trouble | null>(null);
  /** What could not be added: too long, or one too many. */
  refused = $state.raw<{ kind: "tooLarge" | "tooMany"; name: string; limit: number } | null>(null);
  /** An earlier form of this may be with the relay, because no answer came. */
  perhaps = $state(false);

  readonly #relay: Relay;
  readonly #id: string;
  readonly #fragment: string;
  #box: Box | null = null;
  #limits: Limits | null = null;
  /** Seconds by which the relay's clock is ahead. */
  #ahead = 0;
  #expiresAt = 0;
  #sealed: SealedDrop | null = null;
  #handedIn = false;
  #stop = new AbortController();

  constructor(address: { pathname: string; hash: string }) {
    this.#id = address.pathname.split("/").at(-1) ?? "";
    this.#fragment = address.hash.replace(/^#/, "");
    this.#relay = new Relay(this.#id);
  }

  readonly isEmpty = $derived(this.text.trim() === "" && this.files.length === 0);

  async open(): Promise<void> {
    this.stage = { kind: "opening" };
    try {
      this.stage = await this.#look();
    } catch (thrown) {
      this.stage = { kind: "closed", why: thrown instanceof Refused ? thrown.why : "relay" };
    }
  }

  async #look(): Promise<Stage> {
    const closed = (why: Closed): Stage => ({ kind: "closed", why });
    if (!isSecureContext) return closed("insecure");
    if (typeof crypto.subtle === "undefined") return closed("tooOld");
    if (this.#fragment === "") return closed("noFragment");
    const id = fromHex(this.#id, 16);
    if (id === null || namedHash(this.#fragment) === null) return closed("fragment");
    const shown = await this.#relay.show();
    const box = await checkRecord(shown.record, this.#fragment, id);
    if (typeof box === "string") return closed(box);
    this.#box = box;
    this.#limits = shown.limits;
    this.#ahead = shown.time - Date.now() / 1000;
    this.name = box.name.trim();
    this.until = shown.expiresAt * 1000;
    this.once = shown.once;
    return { kind: "writing" };
  }

  /** The message is another one now: what was sealed of the former is not sent again. */
  edited(): void {
    this.trouble = null;
    this.#sealed = null;
    this.perhaps = this.#handedIn;
  }

  add(files: Iterable<File>): void {
    this.refused = null;
    for (const file of files) {
      const limits = this.#limits;
      if (limits && file.size > limits.attachmentBytes) this.refused = { kind: "tooLarge", name: file.name, limit: limits.attachmentBytes };
      else if (limits && this.files.length >= limits.attachments) this.refused = { kind: "tooMany", name: file.name, limit: limits.attachments };
      else this.files = [...this.files, new Chosen(file)];
    }
    this.edited();
  }

  /** Takes a file off, also while it is on its way: the others go on. */
  remove(chosen: Chosen): void {
    chosen.stop.abort();
    this.files = this.files.filter((kept) => kept !== chosen);
    if (this.stage.kind === "writing") this.edited();
  }

  /** Stops sending; what is there stays there, and sending again goes on from it. */
  cancel(): void {
    this.#stop.abort();
    for (const chosen of this.files) chosen.stop.abort();
  }

  async send(): Promise<void> {
    const box = this.#box;
    if (box === null || this.isEmpty || this.stage.kind !== "writing") return;
    this.trouble = null;
    this.refused = null;
    this.#stop = new AbortController();
    for (const chosen of this.files) chosen.stop = new AbortController();
    this.stage = { kind: "sending" };
    try {
      this.stage = { kind: "sent", receipt: await this.#send(box) };
    } catch (thrown) {
      for (const chosen of this.files) if (chosen.state.kind !== "there") chosen.state = { kind: "chosen" };
      this.trouble = this.#stop.signal.aborted ? null : troubleOf(thrown);
      this.stage = { kind: "writing" };
    }
  }

  async #send(box: Box): Promise<Receipt> {
    const stop = this.#stop.signal;
    const now = Math.floor(Date.now() / 1000 + this.#ahead);
    if (this.#expiresAt === 0) this.#expiresAt = now + (this.#limits?.ttl ?? 0);
    const files = await this.#carryAll();
    // All that there was may have been taken off meanwhile.
    if (this.isEmpty) this.#stop.abort();
    stop.throwIfAborted();
    const { envelopeBytes } = this.#limits ?? { envelopeBytes: 0 };
    this.#sealed ??= await sealDrop(box, { sentAt: now, text: this.text, reach: this.reach.trim(), files }, this.#expiresAt);
    const { envelope, submission } = this.#sealed;
    if (submission.length > envelopeBytes) throw new TextTooLong();
    this.#handedIn = true;
    const at = (await this.#relay.handIn(submission, stop)) * 1000;
    return {
      number: receiptNumber(envelope),
      at,
      characters: [...this.text].length,
      files: this.files.map(({ name, file }) => ({ name, size: file.size })),
    };
  }

  /** One after the other. A file that is taken off meanwhile is left out. */
  async #carryAll(): Promise<Attachment[]> {
    for (const chosen of this.files) {
      try {
        chosen.carried = await chosen.upload.carry(this.#relay, this.#expiresAt, chosen.stop.signal, (step) => (chosen.state = step));
        chosen.state = { kind: "there" };
      } catch (thrown) {
        if (this.files.includes(chosen)) throw thrown;
      }
    }
    return this.files.flatMap((chosen) => chosen.carried ?? []);
  }

  /** The network is there again: what it broke off goes on by itself. */
  back(): void {
    if (this.stage.kind === "closed" && this.stage.why === "offline") void this.open();
    if (this.stage.kind === "writing" && this.trouble === "offline") void this.send();
  }

  /** Another message to the same box. */
  again(): void {
    this.text = "";
    this.files = [];
    this.#sealed = null;
    this.#handedIn = false;
    this.#expiresAt = 0;
    this.perhaps = false;
    this.stage = { kind: "writing" };
  }
}

class TextTooLong extends Error {}

function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof Refused) return thrown.why;
  if (thrown instanceof FileChanged) return "fileChanged";
  if (thrown instanceof TextTooLong) return "textTooLong";
  return "relay";
}
