// What a page weighs over the wire: at most 250 KiB for a new reader, 30 KiB for one who comes back, and files that
// are kept for ever are not asked for again.
import assert from "node:assert/strict";
import { fill } from "../fleet.mjs";

const COLD = 250 * 1024;
const WARM = 30 * 1024;

/** Bytes over the wire of everything a page fetches until it is quiet. */
async function weigh(place, page, path) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  let requests = 0;
  const open = new Set();
  const kept = [];
  // A program for development asks for its own files again; a release, whose files are kept for ever, does not.
  const unchanged = new Set();
  session.on("Network.requestWillBeSent", ({ requestId, request }) => {
    // The live stream stays open.
    if (!request.url.includes("/api/v1/live")) {
      open.add(requestId);
    }
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    bytes += unchanged.has(requestId) ? 0 : encodedDataLength;
    requests += 1;
    open.delete(requestId);
  });
  session.on("Network.loadingFailed", ({ requestId }) => open.delete(requestId));
  session.on("Network.responseReceived", ({ requestId, response }) => {
    if (response.url.includes("/static/dev/") && response.status === 304) {
      unchanged.add(requestId);
    }
    if (response.url.includes("/static/") && !response.fromDiskCache) {
      kept.push([response.url, response.headers]);
    }
  });
  await page.goto(`${place.origin}${path}`, { waitUntil: "load" });
  // What a page fetches after it has loaded counts too: quiet is half a second without anything under way.
  let quiet = 0;
  for (let looks = 0; looks < 200 && quiet < 5; looks += 1) {
    await page.waitForTimeout(100);
    quiet = open.size ? 0 : quiet + 1;
  }
  await session.detach();
  return { bytes, requests, kept };
}

export default async function story(place) {
  const pages = await fill(place);
  const rows = [];
  for (const [name, path] of Object.entries({ ...pages })) {
    const page = await place.person();
    const cold = await weigh(place, page, path);
    const warm = await weigh(place, page, path);
    rows.push({ name, cold: cold.bytes, warm: warm.bytes });
    for (const [url, headers] of cold.kept) {
      const of = (header) => headers[header] ?? headers[header.toLowerCase()] ?? "";
      assert.ok(of("ETag"), `${url} has no ETag`);
      assert.match(of("Cache-Control"), url.includes("/static/dev/") ? /no-cache/ : /immutable/, url);
    }
    await page.context().close();
  }
  const told = rows.map(({ name, cold, warm }) => `${name} ${(cold / 1024).toFixed(0)}/${(warm / 1024).toFixed(0)}`).join(", ");
  place.step(`KiB cold/warm: ${told}`);
  if (process.env.WEIGHTS) {
    console.log(told);
  }
  const heavy = rows.filter(({ cold, warm }) => cold > COLD || warm > WARM);
  assert.deepEqual(heavy, []);
}
