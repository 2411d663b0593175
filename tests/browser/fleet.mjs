// A fleet as it might be after a few days: terminals, packages, an update that went well, one that did not, and one
// that is under way. For looking at every page.
import assert from "node:assert/strict";

const POLICY = { health_window_s: 0, stages: [{ percent: 10 }, { percent: 100 }] };

/** Fills a place; gives the paths of its pages, by name. */
export async function fill(place, { terminals = 12 } = {}) {
  const { server } = place;
  server.simulate(terminals);
  await place.connected(terminals);
  const { items } = await server.api("GET", "/devices?limit=500");
  const first = items[0].device_id;
  await Promise.all(items.map(({ device_id }, n) => server.api("PATCH", `/devices/${device_id}`, {
    name: n % 4 === 0 ? `Bus ${n + 1} 上海` : undefined,
    tags: { region: n % 3 === 0 ? "east" : "west", line: String(n % 5) },
  })));
  await server.api("POST", "/groups", { name: "east side", filter: "tag.region = east" });
  await server.upload("app1", "1.1.0", { bytes: "x".repeat(300_000), notes: "Better routes in tunnels." });
  await server.upload("app1", "1.0.0", { bytes: "old" });
  await server.upload("app2", "2.1.0", { bytes: "y".repeat(100_000) });
  const start = (packages, more = {}) =>
    server.api("POST", "/rollouts", { packages, policy: { ...POLICY, ...more.policy }, target: more.target });
  const done = await start([{ name: "app1", version: "1.1.0" }], { target: { tags: { region: "east" } } });
  await place.until("the first update is over", async () =>
    (await server.api("GET", `/rollouts/${done.id}`)).state === "completed", 90);
  const paused = await start([{ name: "app2", version: "2.1.0" }], { policy: { health_window_s: 600 } });
  await server.api("POST", `/rollouts/${paused.id}/pause`);
  server.command(["enrolment-token", "create", "--uses", "3", "--expires", "24h"]);
  assert.ok(first);
  return {
    overview: "/", devices: "/devices", "devices-found": "/devices?q=bus", "devices-none": "/devices?q=nobody",
    device: `/devices/${first}`, "device-new": "/enrol", packages: "/packages", rollouts: "/rollouts",
    "rollout-new": "/rollouts/new", rollout: `/rollouts/${done.id}`, "rollout-paused": `/rollouts/${paused.id}`,
    users: "/users", sessions: "/sessions", audit: "/audit", server: "/server", account: "/account",
    "second-factor": "/account/second-factor", welcome: "/welcome", confirm: `/devices/${first}/delete`,
    "not-found": "/nothing",
  };
}
