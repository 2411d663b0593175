// The theme is the system's until it is chosen, and then stays, without a flash of the other.
import assert from "node:assert/strict";

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

export default async function story(place) {
  const page = await place.person("anna", { colorScheme: "dark" });
  await place.open(page, "/account");
  const dark = await ground(page);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground(page);
  assert.notEqual(dark, light, "as the system has it");
  place.step("chosen without a reload, so that nothing typed is lost");
  await page.fill("#current", "typed");
  await page.click("[data-theme-form] button");
  await page.click("[data-theme-form] button");
  assert.equal(await ground(page), dark);
  assert.equal(await page.inputValue("#current"), "typed");
  await page.reload();
  assert.equal(await page.getAttribute("html", "data-bs-theme"), "dark", "in the page as it comes");
  assert.equal(await ground(page), dark);
}
