import { expect, test } from "vitest";
import type { Page, Result } from "../ipc";
import { Paged } from "./paged.svelte";

const SIZE = 1000;

/** A list of numbers that counts how often it is asked. */
function numbers() {
  const asked: (string | null)[] = [];
  const from = { first: 0 };
  const list = new Paged<number>((cursor, limit): Promise<Result<Page<number>>> => {
    asked.push(cursor);
    const begin = cursor === null ? from.first : Number(cursor);
    const items = Array.from({ length: Math.min(limit, SIZE - begin) }, (_, at) => begin + at);
    const end = begin + items.length;
    return Promise.resolve({ status: "ok", data: { items, next: end < SIZE ? String(end) : null, total: SIZE } });
  });
  return { list, asked, from };
}

test("more of a list is read from where it ended, and all of it in order", async () => {
  const { list, asked } = numbers();
  await list.read();
  await list.more();
  await list.more();
  expect(asked).toEqual([null, "200", "400"]);
  await list.all();
  expect(list.rows).toEqual(Array.from({ length: SIZE }, (_, at) => at));
  expect(list.complete).toBe(true);
});

test("what changed is read anew as far as it was loaded", async () => {
  const { list, asked, from } = numbers();
  await list.read();
  await list.more();
  from.first = -1;
  asked.length = 0;
  await list.read();
  expect(asked).toEqual([null, "199"]);
  expect(list.rows.slice(0, 3)).toEqual([-1, 0, 1]);
});

test("a change that is told while more is read is not overlooked", async () => {
  const { list, from } = numbers();
  await list.read();
  const growing = list.more();
  from.first = -1;
  await Promise.all([growing, list.read()]);
  expect(list.rows[0]).toBe(-1);
  expect(new Set(list.rows).size).toBe(list.rows.length);
});
