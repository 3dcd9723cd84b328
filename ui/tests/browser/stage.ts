// Serves the browser-test build on loopback and opens Debian's Chromium on it, with a fixed clock and the desktop's font.
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, normalize, resolve } from "node:path";
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

export const repository = resolve(import.meta.dirname, "../../..");
const built = join(repository, "target/ui-browser-test");
const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
  ".svg": "image/svg+xml",
};

// What the shell sets in the real window; a violation fails the test that meets it.
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src ipc: http://ipc.localhost";

/** Saturday noon, so that "yesterday" and weekdays are the same on every run. */
export const NOON = new Date("2026-11-21T12:30:00Z");

/** Each window is a page of its own. */
export type Window = "main" | "keys";
const pages: Record<Window, { path: string; width: number; height: number }> = {
  main: { path: "", width: 1200, height: 800 },
  keys: { path: "keys.html", width: 860, height: 640 },
};

export interface Stage {
  open(scene: string, options?: BrowserContextOptions & { query?: string; window?: Window }): Promise<Page>;
  /** Opens a page that another server has, at the same noon. */
  visit(url: string, options?: BrowserContextOptions): Promise<Page>;
  violations: string[];
  close(): Promise<void>;
}

export async function raise(): Promise<Stage> {
  const server = await serve();
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const profile = await mkdtemp(join(tmpdir(), "waxwing-ui-"));
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    headless: true,
    env: { ...process.env, FONTCONFIG_FILE: join(import.meta.dirname, "fonts.conf") } as Record<string, string>,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const violations: string[] = [];
  const contexts: BrowserContext[] = [];

  /** A page of its own, watched for errors and for requests to other origins. */
  async function watched(origin: string, name: string, options: BrowserContextOptions): Promise<Page> {
    const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", ...options });
    contexts.push(context);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") violations.push(`${name}: ${message.text()}`);
    });
    page.on("pageerror", (error) => violations.push(`${name}: ${error.message}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:")) violations.push(`${name} asked for ${request.url()}`);
    });
    return page;
  }

  return {
    violations,
    async open(scene, { query = "", window = "main", ...options } = {}) {
      const { path, width, height } = pages[window];
      const origin = `http://127.0.0.1:${address.port}`;
      const page = await watched(origin, scene, { viewport: { width, height }, ...options });
      await page.clock.install({ time: NOON });
      await page.goto(`${origin}/${path}?scene=${scene}&latency=0${query}`);
      await page.waitForSelector("main:visible, form:visible, section:visible");
      await page.evaluate(() => document.fonts.ready);
      return page;
    },
    async visit(url, options = {}) {
      const page = await watched(new URL(url).origin, url, { viewport: { width: 1000, height: 800 }, ...options });
      await page.clock.setFixedTime(NOON);
      await page.goto(url);
      return page;
    },
    async close() {
      for (const context of contexts) await context.close();
      await browser.close();
      server.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = join(built, path === "/" ? "index.html" : path);
    readFile(file).then(
      (bytes) => {
        response.writeHead(200, {
          "content-type": types[extname(file)] ?? "application/octet-stream",
          "content-security-policy": policy,
        });
        response.end(bytes);
      },
      () => {
        response.writeHead(204).end();
      },
    );
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}
