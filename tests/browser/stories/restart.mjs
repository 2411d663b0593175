// The server is restarted under an open page: a quiet banner, and the page comes back by itself.
import assert from "node:assert/strict";

export const needs = { terminals: 3 };

export default async function story(place) {
  const page = await place.person();
  await place.openLive(page, "/devices");
  const before = await page.evaluate(() => performance.timeOrigin);
  place.step("the banner comes up when the server goes");
  await place.server.stop();
  await page.waitForSelector("[data-offline]:not([hidden])", { timeout: 30_000 });
  place.step("and goes when the server is back, without a reload and without a new sign-in");
  await place.server.start();
  await page.waitForSelector("[data-offline]", { state: "hidden", timeout: 40_000 });
  await place.connected(3);
  await page.waitForFunction(() => document.querySelectorAll("tr[data-key] .on").length === 3, null, { timeout: 30_000 });
  assert.equal(await page.evaluate(() => performance.timeOrigin), before, "the page is the same one");
  // What the browser writes about a server that is not there is what was played.
  const other = place.complaints.filter((complaint) => !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|Failed to load resource/.test(complaint));
  assert.deepEqual(other, []);
  place.complaints.length = 0;
}
