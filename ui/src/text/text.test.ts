import { afterEach, describe, expect, test } from "vitest";
import de from "./de.json";
import en from "./en.json";
import { activities, bytes, clockTime, failures, follow, fullTime, incomings, names, outgoings, percent, reasons, sayActivity, sayFailure, sayWarning, shortTime, trusts, unopenables, warnings } from ".";

afterEach(() => follow("en"));

const placeholders = (text: unknown): string[] => [...JSON.stringify(text).matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "").toSorted();

describe("every sentence", () => {
  test("stands in both languages", () => {
    expect(Object.keys(de).toSorted()).toEqual(Object.keys(en).toSorted());
    for (const text of [...Object.values(en), ...Object.values(de)]) expect(JSON.stringify(text).length).toBeGreaterThan(2);
  });

  test("names the same things in both languages", () => {
    const german: Record<string, unknown> = de;
    for (const [key, text] of Object.entries(en)) expect([key, placeholders(german[key])]).toEqual([key, placeholders(text)]);
  });

  test("says passphrase, relay, key code, outbox and never the words they replace", () => {
    const all = Object.values(en).map((text) => JSON.stringify(text)).join("\n").replace("password keeper", "");
    expect(all).not.toMatch(/\bpassword\b|\bPIN\b|\bfingerprint\b|\bsafety number\b|\bqueue|\bbackend\b|\bserver\b(?! ?\.)(?!\.)|\bcertificate\b|\bseed\b|\bblob\b/i);
  });
});

describe("every code has its sentence", () => {
  for (const language of ["en", "de"]) {
    test(`in ${language}`, () => {
      follow(language);
      const said = [
        ...Object.values(reasons).map((say) => say()),
        ...Object.values(unopenables).map((say) => say()),
        ...Object.values(trusts).map((say) => say()),
        ...Object.values(activities).map((say) => say("2")),
        ...Object.values(incomings).map((say) => (say as (it: unknown) => string)({ reason: "damaged" })),
        ...Object.values(outgoings).map((say) => (say as (it: unknown) => string)({ behind: true, done: 1, total: 4, reason: "timedOut", nextTry: 0 })),
        ...Object.values(failures).map((say) =>
          (say as (it: unknown) => string)({ group: 2, relay: "r", limit: 3, name: "n", reason: "timedOut", code: "c", account: "a", score: 1 }),
        ),
      ];
      for (const sentence of said) expect(sentence).toMatch(/\S/);
      for (const sentence of said) expect(sentence).not.toMatch(/undefined|\{|\}/);
      expect(new Set(Object.values(reasons).map((say) => say())).size).toBe(Object.keys(reasons).length);
    });
  }

  test("a warning gets its own, and one that is not known yet gets one too", () => {
    for (const warning of Object.keys(warnings)) expect([warning, sayWarning(warning)]).not.toEqual([warning, sayWarning("Something new")]);
    expect(sayWarning("StraightRowsOfKeysAreEasyToGuess")).toContain("rows of keys");
    expect(sayWarning("DatesAreOftenEasyToGuess")).toContain("Dates");
    expect(sayWarning("toString")).toBe(sayWarning("Something new"));
    expect(sayWarning("Something new")).toBe("This would be guessed quickly.");
  });

  test("a recovery code gets three different answers", () => {
    expect(sayFailure({ kind: "recoveryMismatch", group: 4 })).toContain("group 5 stands in no recovery code");
    expect(sayFailure({ kind: "recoveryMistyped" })).toContain("do not belong together");
    expect(sayFailure({ kind: "recoveryOther" })).toContain("of another vault");
  });

  test("a line of the activity names what it is about", () => {
    const line = { number: 0, at: 0 };
    expect(sayActivity({ ...line, kind: "contactCompared", about: "Bob" })).toBe("Key compared, and it is the same: Bob");
    expect(sayActivity({ ...line, kind: "unlockFailed", about: "1" })).toBe("1 wrong passphrase before the next unlock");
    expect(sayActivity({ ...line, kind: "locked", about: "" })).toBe("Locked");
  });
});

describe("times and sizes", () => {
  const now = new Date(2026, 10, 21, 14, 7).getTime();
  const hour = 3_600_000;
  test("are short in a list", () => {
    expect(clockTime(now)).toBe("14:07");
    expect(shortTime(now - hour, now)).toBe("13:07");
    expect(shortTime(now - 24 * hour, now)).toBe("Yesterday");
    expect(shortTime(now - 3 * 24 * hour, now)).toBe("Wed");
    expect(shortTime(now - 40 * 24 * hour, now)).toBe("Oct 12");
    expect(fullTime(now - 24 * hour, now)).toBe("Yesterday, 14:07");
  });
  test("follow the language", () => {
    follow("de");
    expect(shortTime(now - 24 * hour, now)).toBe("Gestern");
    expect(percent(43, 100)).toBe("43\u00a0%");
    expect(names(["Alice", "Bob"])).toBe("Alice und Bob");
  });
  test("round as people do, and never up to done", () => {
    expect(bytes(999)).toBe("999 bytes");
    expect(bytes(2_411_724)).toBe("2.4 MB");
    expect(percent(999, 1000)).toBe("99%");
  });
});
