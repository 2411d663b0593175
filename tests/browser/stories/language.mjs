// The browser's language is spoken, and another can be chosen and stays chosen.
import assert from "node:assert/strict";

export default async function story(place) {
  place.step("a Chinese browser gets Chinese, at the door already");
  const page = await place.stranger({ locale: "zh-CN" });
  await place.open(page, "/login");
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  assert.match(await page.textContent("h1"), /登录/);
  await place.signIn(page);
  await place.open(page, "/users");
  assert.match(await page.textContent("h1"), /用户/);
  place.step("English is chosen, on the page one is on, and stays");
  await page.click('button[name="language"][value="en"]');
  await page.waitForURL(`${place.origin}/users`);
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await place.open(page, "/account");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  place.step("and back");
  await page.click('button[name="language"][value="zh-CN"]');
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  place.step("a browser whose language is not spoken gets English");
  const other = await place.stranger({ locale: "fr-FR" });
  await place.open(other, "/login");
  assert.equal(await other.getAttribute("html", "lang"), "en");
}
