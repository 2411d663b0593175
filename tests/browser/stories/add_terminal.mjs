// A terminal is added: a token that is shown once, a command to copy, and the terminal comes up by itself.
import assert from "node:assert/strict";

export default async function story(place) {
  const page = await place.person();
  place.step("a mistake is said at its field");
  await place.open(page, "/enrol");
  await page.fill("#uses", "none");
  await page.locator("#uses").press("Enter");
  await page.waitForSelector("#uses-error");
  await page.fill("#uses", "");
  await page.locator("#uses").press("Enter");
  place.step("the token is shown once, with the command to copy");
  const token = (await page.textContent("[data-secret]")).trim();
  assert.match(token, /^fwe_[0-9a-f]{64}$/);
  const command = await page.textContent("#agent-command");
  assert.ok(command.includes(`--server ${place.origin} `) && command.includes(`--token ${token}`), command);
  place.step("the terminal appears on an open page");
  const overview = await place.person();
  await place.openLive(overview, "/devices");
  place.server.simulate(2, { token });
  await overview.waitForSelector("text=sim-1");
  await overview.waitForSelector("text=sim-2");
  place.step("a terminal that comes later appears beside those that are shown");
  place.server.simulate(1, { token, prefix: "a-late-" });
  await overview.waitForSelector("text=a-late-1");
  assert.deepEqual(await overview.locator("tbody tr[data-key] th").allTextContents(), ["a-late-1", "sim-1", "sim-2"]);
  await page.reload();
  assert.equal(await page.locator("[data-secret]").count(), 0, "the token is shown once");
}
