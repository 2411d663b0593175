// People and tokens are made and taken back, the last admin stays, and each role is offered what it may do.
import assert from "node:assert/strict";
import { PASSWORD } from "../place.mjs";

export const needs = { terminals: 2 };

export default async function story(place) {
  const page = await place.person();
  place.step("a viewer is added");
  await place.open(page, "/users");
  await page.click("#people details summary");
  await page.fill("#user-name", "bert");
  await page.fill("#user-password", PASSWORD);
  await page.selectOption("#user-role", "viewer");
  await page.press("#user-password", "Enter");
  await page.waitForSelector("[role=status].alert");
  place.step("a program's token is shown once and revoked");
  await page.click("#api-tokens details summary");
  await page.fill("#token-name", "build server");
  await page.press("#token-name", "Enter");
  assert.match(await page.textContent("[data-secret]"), /^fwa_/);
  await page.reload();
  assert.equal(await page.locator("[data-secret]").count(), 0);
  await page.locator("#api-tokens tbody tr", { hasText: "build server" }).locator("button").click();
  assert.equal(await page.locator("#api-tokens tbody tr", { hasText: "build server" }).locator("button").count(), 0);
  place.step("the last admin stays");
  await place.open(page, "/users/1/delete");
  await page.click("main form button");
  await page.waitForSelector("main [role=alert]");
  place.step("a viewer is offered nothing that is refused, and told who can help");
  const bert = await place.person("bert");
  for (const path of ["/", "/devices", "/devices/sim-1", "/packages", "/rollouts"]) {
    await place.open(bert, path);
    assert.equal(await bert.locator("main form[method=post]").count(), 0, `${path} offers a viewer a form`);
  }
  assert.equal((await place.open(bert, "/users")).status(), 403);
  assert.match(await bert.textContent("main"), /anna/);
  place.step("a viewer is signed out by an admin, and the open page says so within seconds");
  await place.openLive(bert, "/devices");
  await place.open(page, "/users");
  await page.locator("#people tbody tr", { hasText: "bert" }).locator('form[action$="/sign-out"] button').click();
  await bert.waitForSelector("[data-signed-out]:not([hidden])", { timeout: 25_000 });
  await bert.click("[data-signed-out] a");
  await bert.fill("#name", "bert");
  await bert.fill("#password", PASSWORD);
  await bert.press("#password", "Enter");
  await bert.waitForURL(`${place.origin}/devices`);
}
