// Pictures of every screen, wide and narrow, light and dark, into target/screens/, for people to look at.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { screens } from "./screens";
import { NOON, raise, repository, type Stage } from "./stage";
import { visited } from "./visited";
import { settled, visits } from "./visits";

const only = process.env.SCREEN?.split(",");
const sizes = {
  main: [
    { name: "wide", width: 1200, height: 800 },
    { name: "narrow", width: 620, height: 640 },
  ],
  keys: [
    { name: "wide", width: 860, height: 640 },
    { name: "narrow", width: 400, height: 640 },
  ],
};
const visitSizes = [
  { name: "wide", width: 1000, height: 800 },
  { name: "phone", width: 360, height: 640 },
];

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
  await mkdir(join(repository, "target/screens"), { recursive: true });
});
afterAll(() => stage.close());

for (const [name, screen] of Object.entries(screens)) {
  if (only && !only.some((part) => name.startsWith(part))) continue;
  test(name, async () => {
    for (const theme of ["light", "dark"] as const) {
      if (process.env.THEME && process.env.THEME !== theme) continue;
      const page = await stage.open(screen.scene, { query: screen.query ?? "", window: screen.window ?? "main", colorScheme: theme });
      await page.waitForTimeout(80);
      for (const size of sizes[screen.window ?? "main"]) {
        await page.setViewportSize(size);
        if (size.name === "wide") await screen.act?.(page);
        await page.waitForTimeout(150);
        await page.screenshot({ path: join(repository, `target/screens/${name}-${size.name}-${theme}.png`) });
      }
      await page.close();
    }
    expect(stage.violations).toEqual([]);
  });
}

for (const [name, visit] of Object.entries(visits)) {
  if (only && !only.some((part) => name.startsWith(part))) continue;
  test(name, async () => {
    const relay = await visited(() => NOON.getTime() / 1000);
    for (const theme of ["light", "dark"] as const) {
      if (process.env.THEME && process.env.THEME !== theme) continue;
      for (const { name: size, ...viewport } of visitSizes) {
        await relay.reset();
        visit.before?.(relay);
        const page = await stage.visit(relay.link(visit.fragment), { viewport, colorScheme: theme, ...(visit.locale && { locale: visit.locale }) });
        await settled(page);
        await visit.act?.(page);
        await page.screenshot({ path: join(repository, `target/screens/${name}-${size}-${theme}.png`), fullPage: true });
        relay.release();
        await page.close();
      }
    }
    relay.close();
  });
}
