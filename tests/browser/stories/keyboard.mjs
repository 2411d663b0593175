// Everything by the keyboard alone: the focus is always to be seen, the skip link skips, and a form is sent.
import assert from "node:assert/strict";
import { PASSWORD } from "../place.mjs";

/** Whether the focused element shows that it is: an outline, or a border or ground of its own. */
const shown = (page) => page.evaluate(() => {
  const style = getComputedStyle(document.activeElement);
  return document.activeElement === document.body || style.outlineStyle !== "none" || style.boxShadow !== "none";
});

const focused = (page) => page.evaluate(() => document.activeElement.outerHTML.slice(0, 200));

async function tabTo(page, selector) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await shown(page), `the focus is not to be seen on ${await focused(page)}`);
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
      return;
    }
  }
  assert.fail(`${selector} is out of reach`);
}

export const needs = { terminals: 2 };

export default async function story(place) {
  const page = await place.stranger();
  place.step("signing in");
  await place.open(page, "/login?next=/devices");
  await page.keyboard.type("anna");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${place.origin}/devices`);
  place.step("the first thing to reach is the way past the sections");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#main");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  place.step("a terminal is found, opened and renamed");
  await tabTo(page, 'input[name="q"]');
  await page.keyboard.type("sim-1");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=sim-1/);
  await tabTo(page, 'table a[href^="/devices/sim-1"]');
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/devices\/sim-1/);
  await tabTo(page, 'main input[name="name"]');
  await page.keyboard.press("Control+A");
  await page.keyboard.type("By hand");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=status].alert");
  assert.match(await page.textContent("h1"), /By hand/);
  place.step("every page's focus can be seen all the way down");
  for (const path of ["/", "/packages", "/rollouts/new", "/users", "/audit", "/server", "/account"]) {
    await place.open(page, path);
    for (let presses = 0; presses < 25; presses += 1) {
      await page.keyboard.press("Tab");
      assert.ok(await shown(page), `${path}: the focus is not to be seen on ${await focused(page)}`);
    }
  }
}
