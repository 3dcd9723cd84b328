// What is shipped: no fake shell, no other origin, nothing that the content policy would refuse.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { repository } from "./stage";

const dist = join(repository, "ui/dist");
const visitors = join(repository, "ui/dist-drop");
beforeAll(() => {
  execFileSync("npm", ["run", "build", "--silent"], { cwd: join(repository, "ui"), stdio: "ignore" });
}, 120_000);

const files = (of = dist) =>
  readdirSync(of, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
const text = (of = dist) => files(of).filter((name) => /\.(js|css|html)$/.test(name)).map((name) => readFileSync(name, "utf8")).join("\n");

test("carries no fake shell", () => {
  expect(text()).not.toMatch(/waxwingFake|Pick-up at the back door|harbour violin/);
});

test("names no other origin", () => {
  const origins = new Set([...text().matchAll(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}/gi)].map(([origin]) => origin));
  // Names of XML spaces, addresses in the libraries' error texts and their URL parsing, and the placeholder of the relay
  // field. None is asked: the content policy forbids it, and the browser tests see no request to another host.
  const known = [/^https:\/\/paraglidejs\.com$/, /^http:\/\/(fallback|example)\.com$/, /^\/\/www\.w3\.org$/, /^https?:\/\/www\.w3\.org$/, /^https:\/\/svelte\.dev$/, /^https:\/\/relay\.example$/];
  expect([...origins].filter((origin) => !known.some((one) => one.test(origin)))).toEqual([]);
});

test("has a page for each window, and no script or style in them", () => {
  const pages = files().filter((name) => name.endsWith(".html"));
  expect(pages.map((name) => relative(dist, name)).toSorted()).toEqual(["index.html", "keys.html"]);
  for (const page of pages) expect(readFileSync(page, "utf8")).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\son\w+=/);
});

test("has nothing of the visitor's page, which has nothing of the app, no inline script, and names no other origin", () => {
  expect(text()).not.toMatch(/Sealed and handed over/);
  expect(text(visitors)).not.toMatch(/__TAURI|Recovery code|waxwingFake/);
  const pages = files(visitors).filter((name) => name.endsWith(".html"));
  expect(pages.map((name) => relative(visitors, name))).toEqual(["drop.html"]);
  for (const page of pages) expect(readFileSync(page, "utf8")).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\son\w+=/);
  const origins = new Set([...text(visitors).matchAll(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}/gi)].map(([origin]) => origin));
  // As above: names of XML spaces, and addresses in the libraries' texts.
  const known = [/^https:\/\/paraglidejs\.com$/, /^http:\/\/(fallback|example)\.com$/, /^https?:\/\/www\.w3\.org$/, /^\/\/www\.w3\.org$/, /^https:\/\/(svelte|vite)\.dev$/];
  expect([...origins].filter((origin) => !known.some((one) => one.test(origin)))).toEqual([]);
});
