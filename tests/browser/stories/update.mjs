// An update from the file to the last terminal: uploaded, planned, watched, paused and resumed; and one that went through
// is rolled back.
import assert from "node:assert/strict";

const COUNT = 6;
export const needs = { terminals: COUNT };

async function upload(place, page, name, version, content) {
  await place.open(page, "/packages");
  await page.fill('input[name="name"]', name);
  await page.fill('input[name="version"]', version);
  await page.setInputFiles('input[type="file"]', { name: `${name}.bin`, mimeType: "application/octet-stream", buffer: Buffer.from(content) });
  await page.click("[data-submit]");
  await page.waitForURL(/done=package_added/);
}

/** A rollout as the API has it. */
const rolloutOf = (place, id) => place.server.api("GET", `/rollouts/${id}`);
const idOf = (page) => Number(new URL(page.url()).pathname.split("/").pop());
const press = (page, action) => page.click(`form[action$="/${action}"] button, a[href$="/${action}"]`);

async function start(place, page, change = async () => {}) {
  await place.open(page, "/rollouts/new");
  await change();
  await page.click('button[formaction="/rollouts/plan"], form[action="/rollouts/plan"] button.btn-primary');
  await page.click('form[action="/rollouts"] button.btn-primary');
  await page.waitForURL(/\/rollouts\/\d+/);
  return idOf(page);
}

export default async function story(place) {
  const page = await place.person();
  place.step("a refusal stands at its field, and what was typed stays");
  await place.open(page, "/packages");
  await page.fill('input[name="name"]', "app 1");
  await page.fill('input[name="version"]', "1.1.0");
  await page.setInputFiles('input[type="file"]', { name: "app1.bin", mimeType: "application/octet-stream", buffer: Buffer.from("x") });
  await page.click("[data-submit]");
  await page.waitForSelector("#name-error");
  assert.equal(await page.inputValue('input[name="version"]'), "1.1.0");
  await upload(place, page, "app1", "1.1.0", "x".repeat(400_000));
  place.step("the plan, and the way");
  const first = await start(place, page, async () => {
    await page.evaluate(() => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
    await page.fill('[name="health_window_s"]', "1");
  });
  place.step("watched until every terminal is verified; rows stay where they are");
  const names = () => page.locator("tbody th").allTextContents();
  const before = await names();
  await page.waitForSelector("#live-state .r-completed", { timeout: 90_000 });
  assert.deepEqual(await names(), before);
  assert.equal((await rolloutOf(place, first)).counts.verified, COUNT);
  place.step("paused and resumed");
  await upload(place, page, "app2", "2.1.0", "y");
  const second = await start(place, page, async () => {
    await page.evaluate(() => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
    await page.fill('[name="health_window_s"]', "3");
  });
  await press(page, "pause");
  await page.waitForSelector("#live-state .r-paused");
  assert.equal((await rolloutOf(place, second)).state, "paused");
  await press(page, "resume");
  await page.waitForSelector("#live-state .r-completed", { timeout: 90_000 });
  place.step("rolled back: refused with the reason first, then done");
  await place.open(page, `/rollouts/${first}/rollback`);
  await page.click("main form button");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.textContent("[role=alert]"), /app1 1\.0\.0/);
  await upload(place, page, "app1", "1.0.0", "old");
  await place.open(page, `/rollouts/${first}/rollback`);
  await page.click("main form button");
  await page.waitForURL(/\/rollouts\/\d+/);
  await place.until("every terminal is back", async () => {
    const { items } = await place.server.api("GET", "/devices?limit=100");
    return items.every((device) => device.modules.app1.version === "1.0.0");
  });
}
