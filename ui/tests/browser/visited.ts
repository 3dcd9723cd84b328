// A relay in memory for the visitor's page: serves the built page as the real one does, keeps one drop box, opens what comes,
// and fails when it is told to.
import { createHash, createHmac, createDecipheriv, hkdfSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { DhkemX25519HkdfSha256 } from "@hpke/dhkem-x25519";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { repository } from "./stage";

const built = join(repository, "ui/dist-drop");
const types: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

// What the relay sets (crates/relay/src/http/page.rs).
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

type Labels = Map<number | string, unknown>;
type Said = { name: string; content: Buffer };
/** A drop as its owner reads it. */
export type Opened = { number: string; text: string; reach: string | undefined; files: Said[] };
/** What to do with the next calls whose method and path match: refuse, cut before or after it is done, or hold it. */
type Trick = { method: string; path: RegExp; times: number; act: "cutBefore" | "cutAfter" | "hold" | { status: number; slug: string } };

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const cbor = (value: unknown) => Buffer.from(encode(value, rfc8949EncodeOptions));
const hex = (bytes: unknown) => Buffer.from(bytes as Uint8Array).toString("hex");

export interface Visited {
  /** The box's link; `fragment` in the place of its own. */
  link(fragment?: string): string;
  /** What came, in the order of its coming. */
  opened(): Promise<Opened[]>;
  pieces: number;
  name: string;
  once: boolean;
  record: Buffer;
  limits: Record<string, number>;
  trick(method: string, path: RegExp, act: Trick["act"], times?: number): void;
  /** Lets go of what is held. */
  release(): void;
  reset(): Promise<void>;
  origin: string;
  close(): void;
}

export async function visited(now: () => number): Promise<Visited> {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
  const pair = await suite.kem.generateKeyPair();
  const key = new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey));
  const id = Buffer.from("8261614e39f0dcfa4d62c30ddf2b5762", "hex");
  const recordOf = (name: string) => cbor(new Map<number, unknown>([[1, 1], [2, id], [3, new Map<number, unknown>([[1, 1], [3, 50], [-1, 4], [-2, key]])], [4, name]]));
  const limits = { envelope_bytes: 262_144, attachment_bytes: 1 << 30, attachments: 64, chunk_bytes: 1 << 20, ttl_seconds: 2_592_000 };

  let files = new Map<string, { length: number; sha256: string; expires: number; bytes: Buffer }>();
  let drops = new Map<string, Buffer>();
  let tricks: Trick[] = [];
  let held: (() => void)[] = [];

  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const origin = `http://127.0.0.1:${address.port}`;

  const relay: Visited = {
    pieces: 0,
    name: "Alice, front desk",
    once: false,
    record: recordOf("Alice, front desk"),
    limits: { ...limits },
    origin,
    link: (fragment) => `${origin}/drop/${hex(id)}${fragment ?? `#${sha256(recordOf(relay.name)).toString("base64url")}`}`,
    opened: () => Promise.all([...drops.values()].map((drop) => open(drop))),
    trick: (method, path, act, times = 1) => void tricks.push({ method, path, act, times }),
    release() {
      for (const go of held) go();
      held = [];
    },
    async reset() {
      [files, drops, tricks] = [new Map(), new Map(), []];
      relay.release();
      Object.assign(relay, { pieces: 0, name: "Alice, front desk", once: false, record: recordOf("Alice, front desk"), limits: { ...limits } });
    },
    close: () => void server.close(),
  };
  return relay;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A browser repeats by itself what was cut on a connection that it used before.
    response.setHeader("connection", "close");
    const path = new URL(request.url ?? "/", origin).pathname;
    const { method = "GET" } = request;
    const body = Buffer.concat((await request.toArray()) as Buffer[]);
    if (path.startsWith("/drop/")) return page(path.slice("/drop/".length), response);
    const trick = tricks.find((one) => one.times > 0 && one.method === method && one.path.test(path));
    if (trick) trick.times -= 1;
    const act = trick?.act;
    if (act === "cutBefore") return void request.socket.destroy();
    if (act === "hold") await new Promise<void>((go) => held.push(go));
    if (typeof act === "object") return problem(response, act.status, act.slug);
    const [status, told, headers] = call(method, path, request, body);
    if (act === "cutAfter") return void request.socket.destroy();
    if (status >= 400) return problem(response, status, String(told.slug), told);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(status === 204 ? undefined : JSON.stringify(told));
  }

  async function page(name: string, response: ServerResponse): Promise<void> {
    const file = name.startsWith("assets/") ? name : "drop.html";
    const bytes = await readFile(join(built, file));
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "content-security-policy": policy, "cache-control": "no-store" });
    response.end(bytes);
  }

  function call(method: string, path: string, request: IncomingMessage, body: Buffer): [number, Record<string, unknown>, Record<string, string>?] {
    const base = `/v1/drops/${hex(id)}`;
    if (!path.startsWith(base)) return [404, { slug: "unknown-drop" }];
    const rest = path.slice(base.length);
    if (method === "GET" && rest === "")
      return [200, { record: relay.record.toString("base64url"), expires_at: now() + 30 * 86_400, once: relay.once, time: now(), limits: relay.limits }];
    if (method === "POST" && rest === "/attachments") {
      const wanted = JSON.parse(body.toString()) as { id: string; length: number; sha256: string; expires_at: number };
      const file = files.get(wanted.id) ?? { length: wanted.length, sha256: wanted.sha256, expires: wanted.expires_at, bytes: Buffer.alloc(0) };
      if (file.length !== wanted.length || file.sha256 !== wanted.sha256) return [409, { slug: "attachment-conflict" }];
      files.set(wanted.id, file);
      return [201, { id: wanted.id, length: file.length, offset: file.bytes.length, complete: file.bytes.length === file.length }];
    }
    if (method === "PATCH") {
      const file = files.get(rest.replace("/attachments/", ""));
      if (!file) return [404, { slug: "unknown-attachment" }];
      if (Number(request.headers["upload-offset"]) !== file.bytes.length) return [409, { slug: "offset-mismatch", offset: file.bytes.length }];
      relay.pieces += 1;
      file.bytes = Buffer.concat([file.bytes, body]);
      if (file.bytes.length === file.length && hex(sha256(file.bytes)) !== file.sha256) {
        file.bytes = Buffer.alloc(0);
        return [422, { slug: "digest-mismatch", offset: 0 }];
      }
      return [204, {}];
    }
    if (method === "POST" && rest === "/envelopes") {
      const envelope = hex((read(body) as Labels).get(2));
      const known = drops.get(envelope);
      if (known && !known.equals(body)) return [409, { slug: "envelope-conflict" }];
      drops.set(envelope, body);
      return [known ? 200 : 201, { env_id: envelope, received_at: now() }];
    }
    return [405, { slug: "method-not-allowed" }];
  }

  async function open(submission: Buffer): Promise<Opened> {
    const labels = read(submission) as Labels;
    const [envelope, expires] = [labels.get(2), labels.get(3)];
    const [contentProtected, contentOpen, ciphertext] = read(labels.get(4)) as [Uint8Array, Labels, Uint8Array];
    const [[to, sealedEntry]] = labels.get(5) as [[Uint8Array, Uint8Array]];
    const [entryProtected, entryOpen, wrapped] = read(sealedEntry) as [Uint8Array, Labels, Uint8Array];
    if (hex(to) !== hex(id)) throw new Error("to another box");
    const header = cbor(["waxwing/env/v1", envelope, expires]);
    const extra = cbor(["waxwing/drop/v1", sha256(header), sha256(relay.record)]);
    const info = cbor(["HPKE Recipient", 3, entryProtected, extra]);
    const content = new Uint8Array(await suite.open({ recipientKey: pair.privateKey, enc: entryOpen.get(-4) as Uint8Array<ArrayBuffer>, info }, wrapped as Uint8Array<ArrayBuffer>));
    const commit = createHmac("sha256", content).update("waxwing/cek-commit/v1\u0001").digest();
    if (hex((read(contentProtected) as Labels).get("cc")) !== hex(commit)) throw new Error("another commitment");
    const padded = decipher(content, contentOpen.get(5) as Uint8Array, ciphertext, cbor(["Encrypt", contentProtected, header]));
    const payload = read(padded.subarray(0, padded.lastIndexOf(0x80))) as Labels;
    return {
      number: `${hex(envelope).slice(0, 4)}-${hex(envelope).slice(4, 8)}`,
      text: payload.get(3) as string,
      reach: payload.get(4) as string | undefined,
      files: (payload.get(5) as Labels[]).map((file) => openFile(file, expires as number)),
    };
  }

  function openFile(descriptor: Labels, expires: number): Said {
    const file = files.get(hex(descriptor.get(1)));
    if (!file || file.bytes.length !== descriptor.get(3) || file.expires !== expires) throw new Error("not the file that the drop names");
    const info = cbor(["waxwing/att/v1", descriptor.get(1)]);
    const key = Buffer.from(hkdfSync("sha256", descriptor.get(2) as Uint8Array, file.bytes.subarray(1, 33), info, 32));
    const parts: Buffer[] = [];
    const count = Math.ceil(file.bytes.length / (1 << 20));
    for (let index = 0; index < count; index++) {
      const nonce = Buffer.alloc(12);
      file.bytes.copy(nonce, 0, 33, 40);
      nonce.writeUInt32BE(index, 7);
      nonce[11] = index + 1 === count ? 1 : 0;
      parts.push(decipher(key, nonce, file.bytes.subarray(index === 0 ? 40 : index << 20, (index + 1) << 20)));
    }
    return { name: descriptor.get(6) as string, content: Buffer.concat(parts).subarray(0, descriptor.get(5) as number) };
  }
}

const read = (bytes: unknown): unknown => decode(bytes as Uint8Array, { useMaps: true, strict: true });

function decipher(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, additional = Buffer.alloc(0)): Buffer {
  const opener = createDecipheriv("aes-256-gcm", key, nonce);
  opener.setAAD(additional);
  opener.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([opener.update(sealed.subarray(0, -16)), opener.final()]);
}

function problem(response: ServerResponse, status: number, slug: string, more: object = {}): void {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ type: `https://waxwing.invalid/problems/${slug}`, title: "", status, ...more }));
}
