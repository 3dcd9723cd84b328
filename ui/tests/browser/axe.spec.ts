// Every screen, light and dark, is free of what axe finds, keeps to the content policy, and asks no other host.
import { afterAll, beforeAll, expect, test } from "vitest";
import { findings } from "./axe";
import { screens } from "./screens";
import { raise, type Stage } from "./stage";

let stage: Stage;
beforeAll(async () => {
  stage = await raise();
});
afterAll(() => stage.close());

for (const [name, screen] of Object.entries(screens)) {
  test(name, async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await stage.open(screen.scene, { query: screen.query ?? "", window: screen.window ?? "main", colorScheme });
      await screen.act?.(page);
      await page.waitForTimeout(120);
      expect(await findings(page)).toEqual([]);
      if (screen.window === "keys") {
        await page.setViewportSize({ width: 400, height: 640 });
        expect(await findings(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
      }
      await page.context().close();
    }
    expect(stage.violations).toEqual([]);
  });
}

test("reads on at 200 % zoom, in one pane, without sideways scrolling", async () => {
  const page = await stage.open("open", { viewport: { width: 600, height: 400 } });
  await page.getByRole("option", { name: /Key codes/ }).click();
  await page.getByRole("article").getByText("before Thursday let us compare").waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(600);
  expect(await page.getByRole("region", { name: "List" }).isVisible()).toBe(false);
});

test("mirrors for right-to-left without overlap", async () => {
  const page = await stage.open("open");
  await page.evaluate(() => document.documentElement.setAttribute("dir", "rtl"));
  const rail = await page.getByRole("navigation", { name: "Folders" }).boundingBox();
  const main = await page.getByRole("main").boundingBox();
  expect(rail && main && rail.x > main.x).toBe(true);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(1200);
});

test("draws only the rows in view of thousands", async () => {
  const page = await stage.open("many");
  await page.getByRole("option").first().waitFor();
  expect(await page.getByRole("option").count()).toBeLessThan(40);
  expect(await page.getByRole("option").first().getAttribute("aria-setsize")).toBe("5014");
});

test("asks for nothing with forced colours or more contrast that breaks the screen", async () => {
  for (const options of [{ forcedColors: "active" as const }, { contrast: "more" as const }]) {
    const page = await stage.open("open", options);
    await page.getByRole("option", { name: /Key codes/ }).click();
    await page.getByRole("article").getByText("before Thursday let us compare").waitFor();
    expect(await page.getByRole("button", { name: "Reply" }).isVisible()).toBe(true);
  }
  expect(stage.violations).toEqual([]);
});
