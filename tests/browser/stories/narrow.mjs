// A telephone: 360 px, touch; what is wide scrolls within itself, and the day's work can be done.
import assert from "node:assert/strict";
import { isNotTooWide } from "../browser.mjs";

export const needs = { terminals: 3 };

export default async function story(place) {
  const page = await place.person("anna", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  for (const path of ["/", "/devices", "/devices/sim-1", "/enrol", "/packages", "/rollouts", "/rollouts/new", "/users", "/server", "/audit"]) {
    place.step(path);
    await place.open(page, path);
    await isNotTooWide(page);
    const sections = await page.locator("header nav a").count();
    assert.ok(sections >= 4, `${path}: the sections are there`);
  }
  place.step("a section further off is reached by its link");
  await page.locator('header nav a[href="/packages"]').tap();
  await page.waitForURL(`${place.origin}/packages`);
}
