// Every page, in one language: light, dark and narrow; nothing serious for axe, nothing in the console, no sideways
// scrolling at 360 px, a name for every field.
import assert from "node:assert/strict";
import { fieldsAreNamed, isAccessible, isNotTooWide } from "./browser.mjs";
import { fill } from "./fleet.mjs";

const EMPTY = { "empty overview": "/", "empty devices": "/devices", "empty packages": "/packages", "empty rollouts": "/rollouts", "empty rollout-new": "/rollouts/new" };

async function look(place, locale, pages) {
  const light = await place.person("anna", { locale, colorScheme: "light", reducedMotion: "reduce" });
  const found = [];
  const note = async (what, act) => act().catch((error) => found.push(`${what}: ${error.message}`));
  for (const [name, path] of Object.entries(pages)) {
    await light.setViewportSize({ width: 1280, height: 800 });
    await light.emulateMedia({ colorScheme: "light" });
    await place.open(light, path);
    assert.match(await light.getAttribute("html", "lang"), new RegExp(`^${locale.slice(0, 2)}`));
    await note(name, () => fieldsAreNamed(light));
    await note(`${name}, light`, () => isAccessible(light, path));
    await note(name, () => isNotTooWide(light));
    await light.emulateMedia({ colorScheme: "dark" });
    await note(`${name}, dark`, () => isAccessible(light, path));
    await light.setViewportSize({ width: 360, height: 740 });
    await note(`${name}, 360 px`, () => isNotTooWide(light));
  }
  return found;
}

export async function everyPage(place, locale) {
  place.step("a server without anything");
  const found = await look(place, locale, EMPTY);
  place.step("a fleet of a few days");
  found.push(...await look(place, locale, await fill(place)));
  place.step("the way in");
  const stranger = await place.stranger({ locale });
  for (const path of ["/login", "/setup?token=none"]) {
    await place.open(stranger, path);
    await isAccessible(stranger, path).catch((error) => found.push(`${path}: ${error.message}`));
  }
  assert.deepEqual(found, []);
}
