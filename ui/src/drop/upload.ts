// One file on its way: sealed once to learn its digest, announced, then sealed again and sent piece by piece. A cut resumes
// where it was; a piece that left is kept until the relay has it, so no two ciphertexts are ever made under one nonce.
import { SealedFile, type Source } from "./file";
import { Refused, type Relay } from "./relay";
import type { Attachment } from "./seal";
import type { Bytes } from "./bytes";

export type Step = { kind: "sealing" | "sending"; done: number; total: number };
type Attempt = { sealed: SealedFile; digest: Bytes | null; segments: AsyncGenerator<Bytes, void>; piece: Bytes | null; sent: number };

/** How often a file is begun anew when the relay cannot go on with what it has. */
const ANEW = 2;

export class Upload {
  readonly #source: Source;
  readonly #name: string;
  readonly #type: string;
  #attempt: Attempt;

  constructor(source: Source, name: string, type: string) {
    this.#source = source;
    this.#name = name;
    this.#type = type;
    this.#attempt = begin(source);
  }

  /** Brings the file to the relay, or what is missing of it; answers how the message names it. */
  async carry(relay: Relay, expiresAt: number, signal: AbortSignal, told: (step: Step) => void): Promise<Attachment> {
    for (let anew = 0; ; anew++) {
      try {
        return await this.#carry(relay, expiresAt, signal, told);
      } catch (thrown) {
        const stuck = thrown instanceof Refused && (thrown.why === "conflict" || thrown.why === "elsewhere");
        if (!stuck || anew === ANEW) throw thrown;
        this.#attempt = begin(this.#source);
      }
    }
  }

  async #carry(relay: Relay, expiresAt: number, signal: AbortSignal, told: (step: Step) => void): Promise<Attachment> {
    const attempt = this.#attempt;
    const { sealed } = attempt;
    const total = sealed.length;
    attempt.digest ??= await sealed.digest(signal, (done) => told({ kind: "sealing", done, total }));
    const { id, key } = sealed.secrets;
    const at = await relay.announce({ id, length: total, digest: attempt.digest, expiresAt }, signal);
    // The answer to the last piece may have been lost; anything else is not ours to go on with.
    if (at === attempt.sent + (attempt.piece?.length ?? 0)) taken(attempt);
    else if (at !== attempt.sent) throw new Refused("elsewhere");
    while (attempt.sent < total) {
      told({ kind: "sending", done: attempt.sent, total });
      attempt.piece ??= (await attempt.segments.next()).value ?? null;
      if (attempt.piece === null) throw new Refused("conflict");
      await relay.append(id, attempt.sent, attempt.piece, signal);
      taken(attempt);
    }
    told({ kind: "sending", done: total, total });
    return { id, key, sealedLength: total, digest: attempt.digest, length: this.#source.size, name: this.#name, type: this.#type };
  }
}

function begin(source: Source): Attempt {
  const sealed = new SealedFile(source);
  return { sealed, digest: null, segments: sealed.sealed(), piece: null, sent: 0 };
}

function taken(attempt: Attempt): void {
  attempt.sent += attempt.piece?.length ?? 0;
  attempt.piece = null;
}

/** A name that can stand in a folder: no path, no control characters, at most 255 bytes; `fallback` when nothing is left. */
export function cleanName(name: string, fallback: string): string {
  const encoder = new TextEncoder();
  const plain = name.replace(/[/\\\u0000-\u001f\u007f-\u009f]/g, "_");
  const dot = plain.lastIndexOf(".");
  const [stem, ending] = dot > 0 && plain.length - dot <= 16 ? [plain.slice(0, dot), plain.slice(dot)] : [plain, ""];
  const chars = [...stem];
  while (encoder.encode(chars.join("") + ending).length > 255) chars.pop();
  const cut = chars.join("") + ending;
  return cut === "" || cut === "." || cut === ".." ? fallback : cut;
}
