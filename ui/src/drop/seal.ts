// What a visitor's drop is made of, and how it is sealed (docs/protocol.md sections 3 and 18): HPKE to the box's key, in this
// browser. The relay gets the result and opens nothing of it.
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { DhkemX25519HkdfSha256 } from "@hpke/dhkem-x25519";
import { aes256, decode, encode, expand, fromBase64url, hex, isBytes, join, padme, random, same, sha256, utf8, type Bytes, type Labels } from "./bytes";

const A256GCM = 3;
/** HPKE-4-KE: X25519, HKDF-SHA256, ChaCha20-Poly1305. */
const HPKE_4_KE = 50;
const OKP = 1;
const X25519 = 4;
const SMALLEST = 256;

/** Whom the page seals to. */
export type Box = { id: Bytes; key: Bytes; name: string; hash: Bytes };

/** Why a record is not sealed to: the link is cut short, it is not the record of the link, or it is of a later version. */
export type RecordFault = "fragment" | "differs" | "unknown";

/** The hash that a link names, from what stands behind its `#`; null when the link is not whole. */
export function namedHash(fragment: string): Bytes | null {
  const named = fromBase64url(fragment);
  return named?.length === 32 ? named : null;
}

/**
 * The box of a record that the relay shows, when it is the one that the link names. The hash is in the part of the link that
 * never leaves the browser, so a relay that shows a key of its own is found out, and nothing is sealed to it.
 */
export async function checkRecord(record: Bytes, fragment: string, id: Bytes): Promise<Box | RecordFault> {
  const named = namedHash(fragment);
  if (named === null) return "fragment";
  const hash = await sha256(record);
  if (!same(hash, named)) return "differs";
  const labels = decode(record);
  if (!isLabels(labels, 1, 2, 3, 4) || labels.get(1) !== 1) return "unknown";
  const [boxId, key, name] = [labels.get(2), keyOf(labels.get(3)), labels.get(4)];
  if (!isBytes(boxId, 16) || key === null || typeof name !== "string") return "unknown";
  return same(boxId, id) ? { id: boxId, key, name, hash } : "differs";
}

/** The key of a `COSE_Key` of suite S1. */
function keyOf(value: unknown): Bytes | null {
  if (!isLabels(value, 1, 3, -1, -2) || value.get(1) !== OKP || value.get(3) !== HPKE_4_KE || value.get(-1) !== X25519) return null;
  const key = value.get(-2);
  return isBytes(key, 32) ? key : null;
}

const isLabels = (value: unknown, ...labels: number[]): value is Labels =>
  value instanceof Map && value.size === labels.length && labels.every((label) => value.has(label));

/** `kid`: the key's COSE thumbprint (RFC 9679), cut to 16 bytes. */
const thumbprint = async (key: Bytes): Promise<Bytes> =>
  (await sha256(encode(new Map<number, unknown>([[1, OKP], [-1, X25519], [-2, key]])))).slice(0, 16);

/** A file as the message names it. Sizes are bytes; the digest is the ciphertext's. */
export type Attachment = { id: Bytes; key: Bytes; sealedLength: number; digest: Bytes; length: number; name: string; type: string };

/** `sentAt` in seconds. */
export type Drop = { sentAt: number; text: string; reach: string; files: Attachment[] };

/** What is random about a sealing; given only by tests against known bytes. */
export type DropSecrets = { envelope: Bytes; message: Bytes; contentKey: Bytes; nonce: Bytes; ephemeral?: Bytes };
const fresh = (): DropSecrets => ({ envelope: random(16), message: random(16), contentKey: random(32), nonce: random(12) });

export type SealedDrop = { envelope: Bytes; submission: Bytes };

/** What visitor and owner see of one drop: the beginning of its id. */
export const receiptNumber = (envelope: Uint8Array): string => `${hex(envelope.slice(0, 2))}-${hex(envelope.slice(2, 4))}`;

/** Seals once; what is sealed again gets other keys and another id. `expiresAt` in seconds. */
export async function sealDrop(box: Box, drop: Drop, expiresAt: number, secrets: DropSecrets = fresh()): Promise<SealedDrop> {
  const { envelope, contentKey, nonce } = secrets;
  const header = encode(["waxwing/env/v1", envelope, expiresAt]);
  const payload = encode(
    new Map<number, unknown>([
      [1, secrets.message],
      [2, drop.sentAt],
      [3, drop.text],
      ...(drop.reach === "" ? [] : [[4, drop.reach] as [number, unknown]]),
      [5, drop.files.map(descriptor)],
    ]),
  );
  const contentProtected = encode(new Map<number | string, unknown>([[1, A256GCM], ["cc", await expand(contentKey, utf8("waxwing/cek-commit/v1"))]]));
  const seal = await aes256(contentKey);
  const ciphertext = await seal(nonce, padded(payload), encode(["Encrypt", contentProtected, header]));

  const entryProtected = encode(new Map<number, unknown>([[1, HPKE_4_KE], [4, await thumbprint(box.key)]]));
  const extra = encode(["waxwing/drop/v1", await sha256(header), box.hash]);
  const { enc, wrapped } = await wrap(box.key, contentKey, encode(["HPKE Recipient", A256GCM, entryProtected, extra]), secrets.ephemeral);

  const submission = encode(
    new Map<number, unknown>([
      [1, 1],
      [2, envelope],
      [3, expiresAt],
      [4, encode([contentProtected, new Map([[5, nonce]]), ciphertext])],
      [5, [[box.id, encode([entryProtected, new Map([[-4, enc]]), wrapped])]]],
    ]),
  );
  return { envelope, submission };
}

function descriptor(file: Attachment): Labels {
  return new Map<number, unknown>([
    [1, file.id], [2, file.key], [3, file.sealedLength], [4, file.digest], [5, file.length], [6, file.name], [7, file.type],
  ]);
}

/** ISO/IEC 7816-4: 0x80 and zeros, up to the Padmé length. */
function padded(plain: Bytes): Bytes {
  const length = Math.max(SMALLEST, padme(plain.length + 1));
  return join(plain, new Uint8Array([0x80]), new Uint8Array(length - plain.length - 1));
}

async function wrap(recipient: Bytes, key: Bytes, info: Bytes, ephemeral: Bytes | undefined) {
  const kem = new DhkemX25519HkdfSha256();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
  const recipientPublicKey = await kem.deserializePublicKey(recipient);
  const ekm = ephemeral === undefined ? undefined : await kem.deriveKeyPair(ephemeral);
  const { enc, ct } = await suite.seal({ recipientPublicKey, info, ...(ekm && { ekm }) }, key);
  return { enc: new Uint8Array(enc), wrapped: new Uint8Array(ct) };
}
