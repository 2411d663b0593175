// A session ends while its owner types: what was typed is sent after signing in again.
import assert from "node:assert/strict";
import { PASSWORD } from "../place.mjs";

export const needs = { terminals: 1 };

export default async function story(place) {
  const page = await place.person();
  await place.open(page, "/devices/sim-1");
  await page.fill('main input[name="name"]', "Typed <b>before</b> the end");
  place.step("the session ends elsewhere");
  place.server.command(["user", "sign-out", "anna"]);
  await page.locator('main input[name="name"]').press("Enter");
  await page.waitForSelector("#password");
  assert.match(await page.textContent("main [role=status]"), /not lost/);
  place.step("a wrong password first");
  await page.fill("#name", "anna");
  await page.fill("#password", "not the right one");
  await page.press("#password", "Enter");
  await page.waitForSelector("#password-error");
  place.step("the right one leads to what was typed, which is sent");
  await page.fill("#password", PASSWORD);
  await page.press("#password", "Enter");
  await page.waitForURL(`${place.origin}/resume`);
  assert.match(await page.textContent("main dl"), /Typed <b>before<\/b> the end/);
  assert.equal(await page.locator("main dl b").count(), 0);
  await page.click("main form button");
  await page.waitForURL(/\/devices\/sim-1/);
  assert.match(await page.textContent("h1"), /Typed <b>before<\/b> the end/);
}
