// @vitest-environment node
// The page makes byte for byte what the core's vectors say, and refuses every record that is not the link's.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { base64url, encode, fromBase64url, fromHex, hex, padme, sha256, type Bytes } from "./bytes";
import { SealedFile, type Source } from "./file";
import { checkRecord, receiptNumber, sealDrop, type Attachment, type Box } from "./seal";
import { cleanName } from "./upload";

const vectors = JSON.parse(readFileSync(new URL("../../../tests/vectors/drops/drop.json", import.meta.url), "utf8"));
const bytes = (text: string): Bytes => fromHex(text, text.length / 2) as Bytes;
const box = vectors.box;
const drop = vectors.drop;
const fragment: string = box.link.split("#")[1];
const id = bytes(box.id);

async function opened(): Promise<Box> {
  const found = await checkRecord(bytes(box.record), fragment, id);
  if (typeof found === "string") throw new Error(found);
  return found;
}

/** What the vectors' files contain, as their `about` says. */
const contents = [new Blob(["Waxwing".repeat(60_000)]), new Blob([new Uint8Array(2_500_000).fill(7)])];

describe("a box", () => {
  test("is read from the record that the link names", async () => {
    const { name, key, hash } = await opened();
    expect([name, hex(key), hex(hash)]).toEqual([box.name, box.public, box.record_hash]);
  });

  test("is none when the record is another than the link's", async () => {
    const record = bytes(box.record);
    record[30] = (record[30] ?? 0) ^ 1;
    expect(await checkRecord(record, fragment, id)).toBe("differs");
    expect(await checkRecord(bytes(box.record), fragment, bytes("00".repeat(16)))).toBe("differs");
  });

  test("is none when the link is cut short or has more than its hash", async () => {
    for (const broken of ["", fragment.slice(0, -1), `${fragment}A`, `${fragment.slice(0, -1)}=`, fragment.replace(/./, "%")])
      expect([broken, await checkRecord(bytes(box.record), broken, id)]).toEqual([broken, "fragment"]);
  });

  test("is none in another form, whatever the link says", async () => {
    const cose = new Map<number, unknown>([[1, 1], [3, 50], [-1, 4], [-2, bytes(box.public)]]);
    const forms = [
      [[1, 2], [2, id], [3, cose], [4, ""]],
      [[1, 1], [2, id], [3, cose]],
      [[1, 1], [2, id], [3, cose], [4, ""], [5, 1]],
      [[1, 1], [2, id], [3, bytes(box.public)], [4, ""]],
      [[1, 1], [2, id], [3, new Map<number, unknown>([...cose, [3, 35]])], [4, ""]],
      [[1, 1], [2, id], [3, new Map<number, unknown>([...cose, [-2, new Uint8Array(31)]])], [4, ""]],
    ];
    for (const form of forms) {
      const record = encode(new Map(form as [number, unknown][]));
      expect(await checkRecord(record, base64url(await sha256(record)), id)).toBe("unknown");
    }
    // The same labels, in an order that is not the one form.
    const unsorted = new Uint8Array([...bytes("a4"), ...bytes(box.record).slice(3, 3 + 18), ...bytes("0101"), ...bytes(box.record).slice(21)]);
    expect(await checkRecord(unsorted, base64url(await sha256(unsorted)), id)).toBe("unknown");
  });
});

describe("a drop", () => {
  const files: Attachment[] = vectors.files.slice(0, 1).map((file: Record<"att_id" | "key" | "sha256" | "name" | "media_type", string> & Record<"sealed_length" | "length", number>) => ({
    id: bytes(file.att_id), key: bytes(file.key), sealedLength: file.sealed_length, digest: bytes(file.sha256),
    length: file.length, name: file.name, type: file.media_type,
  }));
  const secrets = () => ({
    envelope: bytes(drop.env_id), message: bytes(drop.msg_id), contentKey: bytes(drop.content_key), nonce: bytes(drop.iv), ephemeral: bytes(drop.ephemeral),
  });

  test("is sealed to the same bytes", async () => {
    const content = { sentAt: drop.sent_at, text: drop.text, reach: drop.reach, files };
    const sealed = await sealDrop(await opened(), content, drop.expires_at, secrets());
    expect(hex(sealed.submission)).toBe(drop.submission);
    expect(receiptNumber(sealed.envelope)).toBe(drop.receipt);
  });

  test("is other bytes each time, of a length that tells only its class", async () => {
    const to = await opened();
    const seal = (text: string) => sealDrop(to, { sentAt: 1, text, reach: "", files: [] }, 2);
    const [one, two, longer] = await Promise.all([seal("a"), seal("a"), seal("a".repeat(150))]);
    expect(hex(one.submission)).not.toBe(hex(two.submission));
    expect(longer.submission.length).toBe(one.submission.length);
  });
});

describe("a file", () => {
  for (const [at, file] of vectors.files.entries()) {
    test(`is sealed to the same bytes: ${file.about}`, async () => {
      const secrets = { id: bytes(file.att_id), key: bytes(file.key), salt: bytes(file.header.slice(2, 66)), prefix: bytes(file.header.slice(66)) };
      const sealed = new SealedFile(contents[at] as Blob, secrets);
      expect([sealed.length, hex(await sealed.digest(undefined, () => undefined))]).toEqual([file.sealed_length, file.sha256]);
    });
  }

  test("comes in segments of 1 MiB, the last one shorter, and says how far it is", async () => {
    const sealed = new SealedFile(new Blob([new Uint8Array(2_500_000)]));
    const lengths: number[] = [];
    for await (const segment of sealed.sealed()) lengths.push(segment.length);
    expect(lengths.slice(0, -1)).toEqual([1 << 20, 1 << 20]);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(sealed.length);
    const told: number[] = [];
    await sealed.digest(undefined, (done) => told.push(done));
    expect(told.at(-1)).toBe(sealed.length);
  });

  test("that shrank meanwhile is not sealed", async () => {
    const shrinking = { size: 3_000_000, slice: (start: number, end: number) => new Blob([new Uint8Array(2_000_000)]).slice(start, end) };
    const sealed = new SealedFile(shrinking as Source);
    await expect(sealed.digest(undefined, () => undefined)).rejects.toThrow();
  });

  test("has a name that can stand in a folder", () => {
    expect(cleanName("a/b\\c\n.txt", "file")).toBe("a_b_c_.txt");
    for (const empty of ["", ".", ".."]) expect(cleanName(empty, "file")).toBe("file");
    const long = cleanName(`${"ä".repeat(300)}.pdf`, "file");
    expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(255);
    expect(long.endsWith("ä.pdf")).toBe(true);
  });
});

test("lengths grow by Padmé's steps, and base64url has one form", () => {
  expect([9, 17, 100, 256, 257, 1000, 1 << 30, (1 << 30) + 1].map(padme)).toEqual([10, 18, 104, 256, 272, 1024, 1 << 30, (1 << 30) + (1 << 25)]);
  expect(fromBase64url("AAB")).toBeNull();
  expect(hex(fromBase64url("AAE") ?? new Uint8Array())).toBe("0001");
});
