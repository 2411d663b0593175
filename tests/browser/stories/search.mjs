// Terminals are searched for, and the address of what was found can be passed on.
import assert from "node:assert/strict";

export const needs = { terminals: 12 };

export default async function story(place) {
  await place.server.api("PATCH", "/devices/sim-3", { name: "Bus 17 上海", tags: { region: "east" } });
  const page = await place.person();
  await place.open(page, "/devices");
  place.step("by name, in any script");
  await page.fill('input[name="q"]', "上海");
  await page.press('input[name="q"]', "Enter");
  await page.waitForURL(/q=/);
  await page.waitForSelector('a[href^="/devices/sim-3"]');
  assert.equal(await page.locator("table tbody tr[data-key]").count(), 1);
  place.step("the address shows the same to somebody else");
  const other = await place.person();
  await other.goto(page.url());
  assert.equal(await other.locator("table tbody tr[data-key]").count(), 1);
  assert.equal(await other.inputValue('input[name="q"]'), "上海");
  place.step("by a filter; one that can't be read says where");
  await place.open(page, `/devices?filter=${encodeURIComponent("tag.region = east")}`);
  assert.equal(await page.locator("table tbody tr[data-key]").count(), 1);
  await place.open(page, `/devices?filter=${encodeURIComponent("tag.region ==== east")}`);
  assert.ok(await page.locator("main .invalid, main [role=alert]").count(), "what is wrong is said");
  place.step("nothing found has a way on");
  await place.open(page, "/devices?q=nobody");
  assert.equal(await page.locator("table tbody tr[data-key]").count(), 0);
  assert.ok(await page.locator('main a[href="/devices"]').count(), "a way back to all of them");
}
