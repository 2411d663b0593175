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
  let last = Date.now();
  const kept = [];
  session.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; requests += 1; last = Date.now(); });
  session.on("Network.responseReceived", ({ response }) => {
    if (response.url.includes("/static/") && !response.fromDiskCache) {
      kept.push([response.url, response.headers]);
    }
  });
  await page.goto(`${place.origin}${path}`, { waitUntil: "load" });
  // What a page fetches only when it is looked at belongs to it.
  while (Date.now() - last < 1000) {
    await page.waitForTimeout(100);
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
