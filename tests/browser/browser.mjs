// The browser, and what is asked of every page it shows.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const openBrowser = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });

/** Statuses that stories ask for on purpose; the browser writes a line about each. */
const ASKED_FOR = /status of (401|403|404|409|422|429|503)/;

/** Notes whatever a page complains about. */
export function listen(page, complaints) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !ASKED_FOR.test(message.text())) {
      complaints.push(`${page.url()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`${page.url()}: a dialog says ${dialog.message()}`);
    dialog.dismiss();
  });
}

/** The page is not wider than its window, once what follows a change of the window has had its turn. */
export async function isNotTooWide(page) {
  await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 2000 }).catch(() => {});
  const [wide, who] = await page.evaluate(() => {
    const over = document.documentElement.scrollWidth - innerWidth;
    const stick = [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
    return [over, stick.slice(-3).map((e) => e.outerHTML.slice(0, 200))];
  });
  assert.ok(wide <= 0, `${page.url()} is ${wide} px too wide: ${who.join("\n")}`);
}

/** Every field has a name. */
export async function fieldsAreNamed(page) {
  const bare = await page.evaluate(() => {
    const inputs = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")];
    return inputs.filter((i) => i.labels.length === 0 && !i.ariaLabel && !i.getAttribute("aria-labelledby")).map((i) => i.outerHTML);
  });
  assert.deepEqual(bare, [], `${page.url()}: fields without a name`);
}

/** The page's JavaScript must not be let run what a test brings along, so axe comes through the debugger's door. */
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Nothing that axe calls serious or critical. */
export async function isAccessible(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const rules = { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] };
    const { violations } = await globalThis.axe.run(document, rules);
    return violations
      .filter((it) => ["serious", "critical"].includes(it.impact))
      .map((it) => `${it.id}: ${it.help}: ${it.nodes.slice(0, 4).map((n) => `${n.html.slice(0, 200)} ${n.any[0]?.message ?? ""}`).join(" | ")}`);
  });
  assert.deepEqual(found, [], where);
}
