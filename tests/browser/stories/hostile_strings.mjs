// What terminals and people write is text, wherever it is shown: nothing runs, nothing becomes markup, and the
// content security policy has nothing to refuse.
import assert from "node:assert/strict";
import { PAYLOADS, connectHostile } from "../hostile.mjs";

const isInert = async (page, what) => {
  const found = await page.evaluate(() => ({
    owned: globalThis.owned,
    markup: [...document.querySelectorAll("[data-owned], main script, main style, main link:not([rel=stylesheet][href^='/static/']), main iframe")].map((e) => e.outerHTML.slice(0, 200)),
    addresses: [...document.querySelectorAll("a[href], form[action]")]
      .filter((e) => new URL(e.getAttribute("href") ?? e.getAttribute("action"), location.href).origin !== location.origin)
      .map((e) => e.outerHTML.slice(0, 200)),
  }));
  assert.deepEqual(found, { owned: undefined, markup: [], addresses: [] }, what);
};

export default async function story(place) {
  const { server } = place;
  place.step("a terminal for each payload");
  const token = server.enrolment();
  const names = Object.keys(PAYLOADS);
  const devices = names.map((_, n) => `hostile-${n + 1}`);
  const sockets = await Promise.all(names.map((name, n) => connectHostile(place.origin, token, devices[n], PAYLOADS[name])));
  await place.connected(names.length);
  place.step("people write them too");
  for (const [n, name] of names.entries()) {
    const text = PAYLOADS[name].replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "").slice(0, 90);
    await server.api("PATCH", `/devices/${devices[n]}`, { name: text, tags: { kind: text.slice(0, 60) } });
  }
  await server.upload("app1", "2.0.0", { notes: Object.values(PAYLOADS).map((text) => text.slice(0, 200)).join("\n").replaceAll("\u0000", "") });
  const rollout = await server.api("POST", "/rollouts", {
    packages: [{ name: "app1", version: "2.0.0" }], policy: { stages: [{ percent: 100 }], max_failure_percent: 100, max_failures: 0 },
  });
  await place.until("every terminal has refused", async () => {
    const { counts } = await server.api("GET", `/rollouts/${rollout.id}`);
    return (counts.declined ?? 0) + (counts.failed ?? 0) === names.length;
  });
  place.step("every page that shows them");
  const page = await place.person();
  const shared = ["/", "/devices", "/devices?q=hostile&sort=online", "/packages", "/rollouts", `/rollouts/${rollout.id}`, "/rollouts/new", "/audit"];
  for (const path of [...shared, ...devices.map((device) => `/devices/${device}`)]) {
    await place.open(page, path);
    await page.mouse.move(200, 300);
    await isInert(page, path);
  }
  place.step("each text is there as it was said");
  for (const name of ["script", "image", "attribute", "entities", "template"]) {
    await place.open(page, `/devices/${devices[names.indexOf(name)]}`);
    const text = await page.evaluate(() => document.querySelector("main").textContent);
    assert.ok(text.includes(PAYLOADS[name]), `${name} is shown as text`);
  }
  place.step("and what is put into an open page by scripts is as inert");
  await place.openLive(page, "/devices/hostile-1");
  const again = Math.floor(Date.now() / 1000) + 5;
  sockets[0].send(JSON.stringify({ device_id: "hostile-1", timestamp: again, weather: `${PAYLOADS.image}again`, status: [{ process: "p", status: PAYLOADS.script }] }));
  await page.waitForFunction(() => document.querySelector("main").textContent.includes("again"), null, { timeout: 20_000 });
  await isInert(page, "an open page");
  place.step("in what is asked for, and asked again");
  for (const payload of Object.values(PAYLOADS).map((text) => encodeURIComponent(text.slice(0, 300)))) {
    for (const path of [`/devices?q=${payload}`, `/devices?filter=${payload}`, `/audit?who=${payload}`, `/login?next=${payload}`, `/devices/${payload}`]) {
      await place.open(page, path);
      await isInert(page, path);
    }
  }
  sockets.forEach((socket) => socket.removeAllListeners("close").close());
}
