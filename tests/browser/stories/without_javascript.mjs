// Everything but what moves works without scripts.
import assert from "node:assert/strict";

export const needs = { terminals: 3 };

export default async function story(place) {
  const page = await place.person("anna", { javaScriptEnabled: false });
  place.step("a package is uploaded");
  await place.open(page, "/packages");
  await page.fill('input[name="name"]', "app2");
  await page.fill('input[name="version"]', "2.1.0");
  await page.setInputFiles('input[type="file"]', { name: "app2.bin", mimeType: "application/octet-stream", buffer: Buffer.from("two") });
  await page.click("[data-submit]");
  await page.waitForSelector("[role=status].alert");
  assert.match(await page.textContent("main"), /2\.1\.0/);
  place.step("an upload with a mistake keeps what was typed, and says that the file is to be chosen again");
  await place.open(page, "/packages");
  await page.fill('input[name="name"]', "app2");
  await page.fill('input[name="version"]', "2.1.0");
  await page.fill('textarea[name="notes"]', "what is new");
  await page.setInputFiles('#file', { name: "app2.bin", mimeType: "application/octet-stream", buffer: Buffer.from("other bytes") });
  await page.click("[data-submit]");
  await page.waitForSelector("#version-error");
  assert.equal(await page.inputValue('input[name="version"]'), "2.1.0");
  assert.equal(await page.inputValue('textarea[name="notes"]'), "what is new");
  assert.match(await page.textContent("#file-error"), /choose the file again/);
  place.step("tags of many with a mistake keep what was ticked and typed, and are sent again");
  await place.open(page, "/devices?q=sim");
  await page.check('input[name="id"][value="sim-2"]');
  await page.fill("#set", "nonsense");
  await page.locator("#tagging button").click();
  await page.waitForSelector("#set-error");
  assert.equal(await page.inputValue("#set"), "nonsense");
  assert.equal(await page.inputValue("#q"), "sim");
  assert.ok(await page.isChecked('input[name="id"][value="sim-2"]'));
  await page.fill("#set", "line=9");
  await page.locator("#tagging button").click();
  await page.waitForURL(/q=sim&done=devices_tagged/);
  place.step("a view that can't be called so keeps its name");
  await page.fill("#view-name", "east/west");
  await page.press("#view-name", "Enter");
  await page.waitForSelector("#view-name-error");
  assert.equal(await page.inputValue("#view-name"), "east/west");
  assert.equal(await page.inputValue("#q"), "sim");
  place.step("a terminal is renamed, and a mistake keeps what was typed");
  await place.open(page, "/devices/sim-1");
  await page.fill('main input[name="name"]', "Without scripts");
  const tags = page.locator('main [name="tags"]').first();
  if (await tags.count()) {
    await tags.fill("region=east");
  }
  await page.locator('main input[name="name"]').press("Enter");
  assert.match(await page.textContent("h1"), /Without scripts/);
  place.step("a question before what can't be undone, and no is an answer");
  await place.open(page, "/devices/sim-2/delete");
  await page.click('main a[href^="/devices/sim-2"]');
  assert.equal(new URL(page.url()).pathname, "/devices/sim-2");
  place.step("people, tokens, theme and language");
  await place.open(page, "/users");
  await page.click("#api-tokens details summary");
  await page.fill("#token-name", "build server");
  await page.press("#token-name", "Enter");
  assert.match(await page.textContent("[data-secret]"), /^fwa_/);
  await page.click("[data-theme-form] button");
  assert.equal(await page.getAttribute("html", "data-bs-theme"), "light");
  await page.click('button[name="language"][value="zh-CN"]');
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  for (const path of ["/", "/rollouts", "/rollouts/new", "/audit", "/server", "/sessions", "/account"]) {
    await place.open(page, path);
    assert.ok(await page.locator("h1").count(), path);
  }
}
