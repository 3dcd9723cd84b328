// A file, sealed segment by segment (docs/protocol.md section 5): memory stays flat however long it is, and one segment is one
// piece of the upload. A nonce is used once: who asks for a segment keeps it until the relay has it, and what is begun anew gets
// another key.
import { sha256 } from "@noble/hashes/sha2.js";
import { aes256, be32, encode, hkdf, join, padme, random, type Bytes } from "./bytes";

/** Bytes of ciphertext per segment, header and tag included. */
export const SEGMENT = 1 << 20;
const HEADER = 40;
const TAG = 16;
const FIRST = SEGMENT - HEADER - TAG;
const LATER = SEGMENT - TAG;
const SMALLEST = 256;

/** Length of the ciphertext of a file of `length` bytes. */
export function sealedLength(length: number): number {
  const { padded, segments } = planOf(length);
  return padded + segments * TAG + HEADER;
}

function planOf(length: number) {
  const padded = padme(Math.max(length, SMALLEST));
  return { padded, segments: Math.ceil(Math.max(0, padded - FIRST) / LATER) + 1 };
}

/** The file is gone, or is not the one that was chosen any more. */
export class FileChanged extends Error {}

/** Where a file's own bytes come from; a `File` of the browser is one. */
export type Source = Pick<Blob, "size" | "slice">;
/** What is random about a sealing; given only by tests against known bytes. */
export type FileSecrets = { id: Bytes; key: Bytes; salt: Bytes; prefix: Bytes };

export class SealedFile {
  readonly length: number;
  readonly segments: number;
  readonly secrets: FileSecrets;
  readonly #source: Source;
  readonly #padded: number;
  readonly #size: number;

  constructor(source: Source, secrets: FileSecrets = { id: random(16), key: random(32), salt: random(32), prefix: random(7) }) {
    const { padded, segments } = planOf(source.size);
    this.#source = source;
    this.#padded = padded;
    this.#size = source.size;
    this.segments = segments;
    this.length = sealedLength(source.size);
    this.secrets = secrets;
  }

  /** The ciphertext's segments from the first one, each sealed when it is asked for. */
  async *sealed(signal?: AbortSignal): AsyncGenerator<Bytes, void> {
    const { id, key, salt, prefix } = this.secrets;
    const seal = await aes256(await hkdf(key, salt, encode(["waxwing/att/v1", id])));
    for (let index = 0; index < this.segments; index++) {
      signal?.throwIfAborted();
      const last = index + 1 === this.segments;
      const sealed = await seal(join(prefix, be32(index), new Uint8Array([last ? 1 : 0])), await this.#plain(index));
      yield index === 0 ? join(new Uint8Array([HEADER]), salt, prefix, sealed) : sealed;
    }
  }

  /** The ciphertext's SHA-256, which the relay wants to know before the first piece. */
  async digest(signal: AbortSignal | undefined, told: (done: number) => void): Promise<Bytes> {
    const hash = sha256.create();
    let done = 0;
    for await (const segment of this.sealed(signal)) {
      hash.update(segment);
      done += segment.length;
      told(done);
    }
    return new Uint8Array(hash.digest());
  }

  /** Bytes of the file in one segment, then zeros up to the padded length. */
  async #plain(index: number): Promise<Bytes> {
    const start = index === 0 ? 0 : FIRST + (index - 1) * LATER;
    const end = Math.min(FIRST + index * LATER, this.#padded);
    const wanted = Math.max(0, Math.min(end, this.#size) - start);
    const plain = new Uint8Array(end - start);
    if (wanted === 0) return plain;
    const read = await this.#source.slice(start, start + wanted).arrayBuffer().catch(() => null);
    if (read?.byteLength !== wanted) throw new FileChanged();
    plain.set(new Uint8Array(read));
    return plain;
  }
}
