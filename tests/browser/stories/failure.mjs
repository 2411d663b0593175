// An update that fails: the rollout stops itself under the operator's eyes and says why, so does the terminal; what failed is
// tried again, and what went through is taken back.
import assert from "node:assert/strict";

export default async function story(place) {
  const { server } = place;
  server.simulate(3, { prefix: "good-" });
  server.simulate(3, { prefix: "bad-", failRate: 1 });
  await place.connected(6);
  await server.upload("app1", "1.0.0");
  await server.upload("app1", "1.1.0");
  const page = await place.person();

  place.step("it stops itself, and says why, on an open page");
  const { id } = await server.api("POST", "/rollouts", {
    packages: [{ name: "app1", version: "1.1.0" }],
    policy: { health_window_s: 0, attempts: 1, max_failures: 2, max_failure_percent: 100, stages: [{ percent: 100 }] },
  });
  await place.openLive(page, `/rollouts/${id}`);
  await page.waitForSelector("#live-state .r-paused", { timeout: 60_000 });
  assert.match(await page.textContent("#live-state"), /2/);
  await page.waitForSelector("table.fleet .s-failed", { timeout: 20_000 });
  await page.waitForSelector('form[action$="/resume"]');
  const { why } = await server.api("GET", `/rollouts/${id}`);
  assert.match(why, /failed/);

  place.step("those that failed by themselves, each with its reason");
  await page.click('#live-filter a[href$="state=failed"]');
  await page.waitForURL(/state=failed/);
  const failed = await page.locator("table.fleet tbody th").allTextContents();
  assert.ok(failed.length >= 2 && failed.every((name) => name.startsWith("bad-")), failed.join(", "));

  place.step("the terminal says why it does not update, and the overview that it needs somebody");
  await page.click("table.fleet tbody th a");
  await page.waitForURL(/\/devices\/bad-/);
  assert.match(await page.textContent("main"), /failed/i);
  await place.open(page, "/");
  await page.waitForSelector('a[href*="attention=failed"]');

  place.step("resumed: the rest goes on to its end; tried again: the same devices, the same reason");
  await place.openLive(page, `/rollouts/${id}`);
  await page.click('form[action$="/resume"] button');
  const ended = async () => (await server.api("GET", `/rollouts/${id}`)).counts;
  await place.until("three are verified", async () => (await ended()).verified === 3);
  await place.until("three have failed", async () => {
    const rollout = await server.api("GET", `/rollouts/${id}`);
    if (rollout.state === "paused") {
      await server.api("POST", `/rollouts/${id}/resume`);
    }
    return rollout.counts.failed === 3;
  });
  await place.open(page, `/rollouts/${id}`);
  await page.click('form[action$="/retry"] button');
  await place.until("they have been asked, and have failed, a second time", async () => {
    const histories = await Promise.all([1, 2, 3].map((n) => server.api("GET", `/devices/bad-${n}/assignments`)));
    return histories.every(({ items }) => items.filter((moved) => moved.state === "failed").length === 2);
  });

  place.step("taken back: those that run the new version go to the old one, the others stay");
  await place.open(page, `/rollouts/${id}/rollback`);
  await page.click("main form button");
  await page.waitForURL((url) => !url.pathname.endsWith("/rollback"));
  await place.until("every terminal is back", async () => {
    const { items } = await server.api("GET", "/devices?limit=100");
    return items.every((device) => device.modules.app1.version === "1.0.0");
  });
}
