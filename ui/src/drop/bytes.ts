// Bytes and their forms: hex for ids, base64url for the fragment, deterministic CBOR (RFC 8949 section 4.2.1) for everything
// that is hashed or sealed.
import { decode as cborDecode, encode as cborEncode, rfc8949EncodeOptions } from "cborg";

/** Bytes of their own, as WebCrypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;
export type Labels = Map<number | string, unknown>;

export const random = (length: number): Bytes => crypto.getRandomValues(new Uint8Array(length));

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Null when it is not lower-case hex of that many bytes. */
export function fromHex(text: string, length: number): Bytes | null {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** Without padding. */
export const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Null when it is not base64url without padding, in its one form. */
export function fromBase64url(text: string): Bytes | null {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    return base64url(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

export function join(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

export function be32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** HKDF-SHA256 (RFC 5869), 32 bytes. */
export async function hkdf(ikm: Bytes, salt: Bytes, info: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", ikm, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256));
}

/** HKDF-SHA256's second half alone, 32 bytes: one HMAC over the label and the block's number. */
export async function expand(prk: Bytes, info: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", prk, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, join(info, new Uint8Array([1]))));
}

/** AES-256-GCM, ready to seal under one key; the tag stands behind the ciphertext. */
export async function aes256(key: Bytes): Promise<(nonce: Bytes, plain: Bytes, additionalData?: Bytes) => Promise<Bytes>> {
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  return async (iv, plain, additionalData = new Uint8Array()) =>
    new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, imported, plain));
}

/** Deterministic CBOR. Maps are `Map`, so that their keys keep their types. */
export const encode = (value: unknown): Bytes => new Uint8Array(cborEncode(value, rfc8949EncodeOptions));

/** What is read must be the one form of what it says; null when it is not. */
export function decode(bytes: Uint8Array): unknown {
  try {
    const value: unknown = cborDecode(bytes, {
      useMaps: true, strict: true, rejectDuplicateMapKeys: true, allowIndefinite: false, allowUndefined: false, allowBigInt: false, allowNaN: false, allowInfinity: false,
    });
    return same(encode(value), bytes) ? value : null;
  } catch {
    return null;
  }
}

export const isBytes = (value: unknown, length: number): value is Bytes => value instanceof Uint8Array && value.length === length;

/** The Padmé length: at most 12 % more, and nothing but the size class told. */
export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = Math.floor(Math.log2(length));
  const dropped = Math.max(0, exponent - Math.floor(Math.log2(exponent)) - 1);
  const step = 2 ** dropped;
  return Math.ceil(length / step) * step;
}
