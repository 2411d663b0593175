// The server has just been started: the first admin is made by the printed link, and told what comes next.
import assert from "node:assert/strict";
import { PASSWORD } from "../place.mjs";

export const needs = { empty: true };

export default async function story(place) {
  const page = await place.stranger();
  place.step("strangers are led to sign in");
  await place.open(page, "/devices");
  assert.equal(new URL(page.url()).pathname, "/login");
  place.step("a mistake keeps what was typed");
  await page.goto(place.server.link);
  await page.fill("#name", "anna");
  await page.fill("#password", PASSWORD);
  await page.fill("#repeat", "another long one");
  await page.click("main form button");
  assert.equal(await page.inputValue("#name"), "anna");
  await page.waitForSelector("#repeat-error");
  place.step("the admin is made, signed in, and told the next steps");
  await page.fill("#password", PASSWORD);
  await page.fill("#repeat", PASSWORD);
  await page.click("main form button");
  await page.waitForURL(`${place.origin}/welcome`);
  for (const path of ["/enrol", "/packages", "/rollouts/new", "/users", "/account/second-factor"]) {
    assert.ok(await page.locator(`main a[href="${path}"]`).count(), `the way to ${path}`);
  }
  place.step("the link is worth nothing any more");
  const again = await (await place.stranger()).goto(place.server.link);
  assert.ok(again.ok());
  const stranger = place.contexts.at(-1).pages()[0];
  await stranger.waitForSelector("main [role=alert]");
  assert.equal(await stranger.locator("#password").count(), 0);
  place.step("signing out and in again, with a wrong password first, leads back to where one was going");
  await page.click('form[action="/logout"] button');
  await place.open(page, "/packages");
  await page.fill("#name", "anna");
  await page.fill("#password", "not the right one");
  await page.press("#password", "Enter");
  await page.waitForSelector("#password-error");
  assert.equal(await page.inputValue("#name"), "anna");
  await page.fill("#password", PASSWORD);
  await page.press("#password", "Enter");
  await page.waitForURL(`${place.origin}/packages`);
}
