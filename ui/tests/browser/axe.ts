// axe-core in a page.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds on a page as it is; `isDocument` for one that is read as a document and not as a window. */
export async function findings(page: Page, isDocument = false): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async (isDocument) => {
    const found = await (window as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
      // An app window has a heading per pane and no page outline; menus are drawn at the end of the body.
      rules: { "page-has-heading-one": { enabled: isDocument }, region: { enabled: isDocument } },
    });
    return found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
  }, isDocument);
}
type AxeResults = { violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] };
