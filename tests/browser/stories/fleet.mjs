// The fleet at a glance, as a table that is bent to what is asked, and one terminal over time: charts that are
// dragged, a map without a network, how it came and went.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const needs = { terminals: 6 };

const rows = (page) => page.locator("table tbody tr[data-key]");

async function overview(place, page) {
  place.step("the overview counts each kind of trouble, and a count leads to the list of just those");
  await place.server.upload("app2", "2.0.0", { bytes: "never signed" });
  await place.open(page, "/");
  assert.equal(await page.locator(".trouble").count(), 8);
  await page.locator('a.trouble[href="/devices?attention=unsigned"]').click();
  await page.waitForURL(/attention=unsigned/);
  assert.equal(await rows(page).count(), 6);
  assert.equal(await page.inputValue("#attention"), "unsigned");
  await place.open(page, "/devices?attention=hot");
  assert.equal(await rows(page).count(), 0);
}

async function table(place, page) {
  place.step("a filter is put together, columns are chosen, and both are a view under a name");
  await place.open(page, "/devices");
  await page.locator(".builder summary").first().click();
  await page.selectOption("#add-field", "id");
  await page.selectOption("#add-how", "~");
  await page.fill("#add-value", "sim-1");
  await page.locator(".builder button").click();
  await page.waitForURL(/filter=id/);
  assert.equal(await page.inputValue("#filter"), "id ~ sim-1");
  assert.equal(await rows(page).count(), 1);
  place.step("a field of the report and an area are put together too, and are asked for only where they are meant");
  await page.locator(".builder summary").first().click();
  assert.ok(!await page.isVisible("#add-report"));
  await page.selectOption("#add-field", "report");
  await page.fill("#add-report", "simulated");
  await page.selectOption("#add-how", "=");
  await page.fill("#add-value", "true");
  await page.locator(".builder button").click();
  await page.waitForURL(/report\.simulated/);
  await page.locator(".builder summary").first().click();
  await page.selectOption("#add-field", "location");
  assert.ok(await page.isVisible("#add-place") && !await page.isVisible("#add-report"));
  await page.selectOption("#add-how", "in");
  await page.fill("#add-value", "0, 0, 20000");
  await page.locator(".builder button").click();
  await page.waitForURL(/location/);
  assert.equal(await page.inputValue("#filter"), "id ~ sim-1 and report.simulated = true and location in circle(0, 0, 20000)");
  assert.equal(await rows(page).count(), 1);
  await page.fill("#filter", "id ~ sim-1");
  await page.locator(".filter-actions button").click();
  await page.locator(".builder summary").nth(1).click();
  await page.check('input[name="column"][value="cpu"]');
  await page.check('input[name="column"][value="module.app1"]');
  await page.locator(".filter-actions button").click();
  await page.waitForURL(/column=cpu/);
  assert.equal(await page.locator("table thead th").count(), 6, "box, name, state, module twice, processor");
  await page.fill("#view-name", "first one");
  await page.press("#view-name", "Enter");
  await page.waitForURL(/done=view_saved/);
  await place.open(page, "/devices");
  await page.click("text=first one");
  await page.waitForURL(/column=cpu/);
  assert.equal(await rows(page).count(), 1);
}

async function tagging(place, page) {
  place.step("tags of the ticked, and of all that match; what is ticked stays ticked while the table moves");
  await place.open(page, "/devices");
  await rows(page).nth(0).locator("input[type=checkbox]").check();
  await rows(page).nth(1).locator("input[type=checkbox]").check();
  await page.fill("#set", "region=east");
  await page.locator("#tagging button").click();
  await page.waitForURL(/done=devices_tagged/);
  await place.open(page, "/devices?tag=region%3Deast");
  assert.equal(await rows(page).count(), 2);
  await place.open(page, "/devices");
  await page.selectOption("#scope", "matching");
  await page.fill("#set", "line=7");
  await page.locator("#tagging button").click();
  await page.waitForURL(/done=devices_tagged/);
  await place.open(page, "/devices?tag=line%3D7");
  assert.equal(await rows(page).count(), 6);
}

async function file(place, page) {
  place.step("the list as a file, without formulas");
  await place.server.api("PATCH", "/devices/sim-2", { name: "=1+1" });
  await place.open(page, "/devices?tag=line%3D7");
  const download = page.waitForEvent("download");
  await page.locator("a[download]").click();
  const text = readFileSync(await (await download).path(), "utf8");
  assert.equal(text.trim().split("\r\n").length, 7);
  assert.match(text, /^'=1\+1,sim-2,/m);
}

async function terminal(place, page) {
  place.step("a terminal's charts and map are drawn, and a drag over a chart looks closer");
  await place.open(page, "/devices/sim-1");
  await page.waitForSelector(".plot .u-over");
  assert.ok(await page.locator(".plot").count() >= 2);
  await page.waitForSelector(".map canvas");
  assert.equal(await page.locator(".leaflet-tile").count(), 0, "nothing is asked of others");
  const over = await page.locator(".plot .u-over").first().boundingBox();
  await page.locator(".plot .u-over").first().scrollIntoViewIfNeeded();
  const box = await page.locator(".plot .u-over").first().boundingBox() ?? over;
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await page.waitForSelector("[data-unzoom]:not([hidden])");
  await page.click("[data-unzoom]");
  await page.click('[data-to-range="30d"]');
  await page.waitForURL(/range=30d/);
  place.step("how it came, what it said last, and the end of its log");
  assert.match(await page.textContent("#live-connections"), /enrolled|said hello/);
  assert.ok(await page.locator("#log pre").count() > 0);
  const plain = await place.person("anna", { javaScriptEnabled: false });
  await place.open(plain, "/devices/sim-1?range=1h");
  assert.ok(await plain.locator("#live-chart svg polyline").count() > 0, "the server draws where scripts do not");
}

async function arrival(place, page) {
  place.step("a terminal that connects appears on the page that waits for it");
  await place.openLive(page, "/enrol");
  // The page reads itself again when it likes, also between the press and the answer.
  const waiting = page.url();
  await page.route("**/enrolment-tokens", async (route) => {
    const response = await route.fetch({ maxRedirects: 0 });
    await page.request.get(waiting);
    await route.fulfill({ response });
  });
  await page.locator("#uses").press("Enter");
  const token = (await page.textContent("[data-secret]")).trim();
  await page.waitForTimeout(300);
  place.server.simulate(7, { token });
  await page.waitForSelector('#live-arrivals a[href="/devices/sim-7"]');
  assert.ok(await page.locator("[data-secret]").count(), "and the command stays");
}

export default async function story(place) {
  const page = await place.person();
  await overview(place, page);
  await table(place, page);
  await tagging(place, page);
  await file(place, page);
  await terminal(place, page);
  await arrival(place, page);
}
