// The relay's calls for visitors (docs/protocol.md section 18): nobody is signed in, and the page speaks to its own origin alone.
import { fromBase64url, hex, type Bytes } from "./bytes";

/** What the relay shows of a box. Times are Unix seconds, sizes bytes. */
export type Shown = { record: Bytes; expiresAt: number; once: boolean; time: number; limits: Limits };
export type Limits = { envelopeBytes: number; attachmentBytes: number; attachments: number; ttl: number };

/** Why the relay did not do it, in the ways that make a difference to the visitor. */
export type Refusal = "gone" | "ended" | "full" | "busy" | "tooLarge" | "relay" | "offline" | "conflict" | "elsewhere";

export class Refused extends Error {
  readonly why: Refusal;
  /** Where an upload stands, when that is what was wrong. */
  readonly offset: number | null;
  /** Seconds after which trying again may help. */
  readonly after: number;
  constructor(why: Refusal, offset: number | null = null, after = 1) {
    super(why);
    this.why = why;
    this.offset = offset;
    this.after = after;
  }
}

const refusals: Record<string, Refusal> = {
  "unknown-drop": "gone",
  "drop-ended": "ended",
  "drop-full": "full",
  "mailbox-full": "full",
  "too-many-requests": "busy",
  "too-large": "tooLarge",
  "storage-full": "relay",
  "envelope-conflict": "conflict",
  "attachment-conflict": "conflict",
  "unknown-attachment": "conflict",
  "digest-mismatch": "conflict",
  "offset-mismatch": "elsewhere",
};

/** How often one piece waits for a relay that is asked too often. */
const WAITS = 8;

export class Relay {
  readonly #base: string;

  /** `drop` is the box's id in hex. The page lies at `drop/<id>`, so the calls lie beside it. */
  constructor(drop: string) {
    this.#base = `../v1/drops/${drop}`;
  }

  async show(): Promise<Shown> {
    const shown = await this.#json("GET", "", null);
    const limits = shown.limits as Record<string, unknown>;
    const record = fromBase64url(String(shown.record));
    if (record === null) throw new Refused("relay");
    return {
      record,
      expiresAt: Number(shown.expires_at),
      once: shown.once === true,
      time: Number(shown.time),
      limits: {
        envelopeBytes: Number(limits.envelope_bytes),
        attachmentBytes: Number(limits.attachment_bytes),
        attachments: Number(limits.attachments),
        ttl: Number(limits.ttl_seconds),
      },
    };
  }

  /** Announces a file; answers where its upload stands. Announcing the same again changes nothing. */
  async announce(file: { id: Bytes; length: number; digest: Bytes; expiresAt: number }, signal: AbortSignal): Promise<number> {
    const body = { id: hex(file.id), length: file.length, sha256: hex(file.digest), expires_at: file.expiresAt };
    const state = await this.#json("POST", "/attachments", JSON.stringify(body), { "content-type": "application/json" }, signal);
    return state.complete === true ? file.length : Number(state.offset);
  }

  /** Adds a piece to an announced file. A long file has more pieces than the relay takes at once from one address: then it waits. */
  async append(id: Bytes, offset: number, piece: Bytes, signal: AbortSignal): Promise<void> {
    const headers = { "content-type": "application/partial-upload", "upload-offset": String(offset) };
    for (let waits = 0; ; waits++) {
      try {
        await this.#call("PATCH", `/attachments/${hex(id)}`, piece, headers, signal);
        return;
      } catch (thrown) {
        if (!(thrown instanceof Refused) || thrown.why !== "busy" || waits === WAITS) throw thrown;
        await pause(thrown.after, signal);
      }
    }
  }

  /** Hands a sealed drop in; answers when the relay took it, in Unix seconds. The same drop twice is one drop. */
  async handIn(submission: Bytes, signal: AbortSignal): Promise<number> {
    const receipt = await this.#json("POST", "/envelopes", submission, { "content-type": "application/cbor" }, signal);
    return Number(receipt.received_at);
  }

  async #json(method: string, path: string, body: string | Bytes | null, headers: Record<string, string> = {}, signal?: AbortSignal) {
    const answer = await this.#call(method, path, body, headers, signal);
    try {
      return (await answer.json()) as Record<string, unknown>;
    } catch {
      throw new Refused("offline");
    }
  }

  async #call(method: string, path: string, body: string | Bytes | null, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    const request = { method, body, headers, signal: signal ?? null, credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" } as const;
    let answer: Response;
    try {
      answer = await fetch(this.#base + path, request);
    } catch {
      signal?.throwIfAborted();
      throw new Refused("offline");
    }
    if (answer.ok) return answer;
    throw await refusalOf(answer);
  }
}

/** A problem (RFC 9457) is told by the slug at the end of its type. */
async function refusalOf(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  const slug = String(problem.type ?? "").split("/").at(-1) ?? "";
  const offset = typeof problem.offset === "number" ? problem.offset : null;
  const after = typeof problem.retry_after === "number" ? problem.retry_after : 1;
  return new Refused(refusals[slug] ?? "relay", offset, after);
}

/** Waits so many seconds, half a minute at most, or until it is stopped. */
function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(seconds, 30) * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    }, { once: true });
  });
}
