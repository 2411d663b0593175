// What keeps an open page fresh: a page without rows hears that something moved, what happens while the page is read
// is read too, and who has missed something reads its rows anew.
import assert from "node:assert/strict";

export const needs = { terminals: 2 };

/** In the place of the stream, one that says what the story wants. */
function standIn() {
  globalThis.streams = [];
  globalThis.EventSource = class extends EventTarget {
    static CLOSED = 2;

    constructor(url) {
      super();
      this.url = url;
      this.readyState = 1;
      globalThis.streams.push(this);
    }

    close() {
      this.readyState = 2;
    }
  };
}

const say = (page, name) =>
  page.evaluate((event) => globalThis.streams.at(-1).dispatchEvent(new MessageEvent(event, { data: "{}" })), name);

/** Opens a page with a stand-in for its stream, and notes what it reads anew. */
async function watched(place, path) {
  const page = await place.person();
  await page.addInitScript(standIn);
  const reads = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (request.resourceType() === "fetch" && pathname === path) {
      reads.push(search);
    }
  });
  await place.open(page, path);
  await page.waitForFunction(() => globalThis.streams.length === 1);
  return { page, reads, stream: await page.evaluate(() => globalThis.streams[0].url) };
}

async function real(place) {
  place.step("a page without rows asks for none, and hears of a terminal that it does not show");
  const page = await place.person();
  const stream = page.waitForRequest((request) => request.url().includes("/api/v1/live"));
  await place.openLive(page, "/rollouts");
  assert.equal(new URL((await stream).url()).searchParams.get("rows"), "0");
  const overview = await place.person();
  await place.openLive(overview, "/");
  await overview.waitForFunction(() => document.querySelector("#live-figures").textContent.match(/\b2\b/));
  place.server.simulate(1, { prefix: "late-" });
  await overview.waitForFunction(() => document.querySelector("#live-figures").textContent.match(/\b3\b/));
}

async function again(place) {
  place.step("what moves while the page is being read is read once more, and not for ever");
  const { page, reads, stream } = await watched(place, "/enrol");
  assert.match(stream, /rows=0/);
  let letGo;
  const held = new Promise((resolve) => { letGo = resolve; });
  await page.route((url) => url.pathname === "/enrol", async (route) => {
    const answer = await route.fetch();
    await held;
    await route.fulfill({ response: answer });
  });
  await say(page, "others");
  await place.until("the page is being read", () => reads.length === 1);
  await say(page, "others");
  await say(page, "others");
  letGo();
  await place.until("the page is read once more", () => reads.length === 2);
  await page.waitForTimeout(2500);
  assert.equal(reads.length, 2);
}

async function counts(place) {
  place.step("a count that does not hold yet what happened is asked for again, until it does");
  const { page, reads } = await watched(place, "/");
  await page.route((url) => url.pathname === "/", async (route) => {
    const answer = await route.fetch();
    const ago = reads.length < 3 ? 60000 : 0;
    const body = (await answer.text()).replace(/data-counted-ago="\d+"/, `data-counted-ago="${ago}"`);
    await route.fulfill({ response: answer, body });
  });
  await say(page, "others");
  await place.until("it is read until the count is new", () => reads.length === 3);
  await page.waitForTimeout(4000);
  assert.equal(reads.length, 3);
}

async function reload(place) {
  place.step("an update's page reads what is counted, and its rows when it has missed something");
  await place.server.upload("app1", "1.1.0");
  const { id } = await place.server.api("POST", "/rollouts", { packages: [{ name: "app1", version: "1.1.0" }] });
  const { page, reads, stream } = await watched(place, `/rollouts/${id}`);
  assert.match(stream, new RegExp(`rollout=${id}&rows=\\d`));
  await say(page, "others");
  await place.until("what is counted is read", () => reads.length === 1);
  assert.equal(reads[0], "?part=counts");
  await place.server.api("PATCH", "/devices/sim-1", { name: "Renamed meanwhile" });
  await say(page, "reload");
  await page.waitForFunction(() => document.querySelector("table.fleet tbody").textContent.includes("Renamed meanwhile"));
  assert.equal(reads.at(-1), "", "with its rows");
}

export default async function story(place) {
  await real(place);
  await again(place);
  await counts(place);
  await reload(place);
}
