// A second factor is turned on and asked for; a code counts once; recovery codes and the command line help.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { PASSWORD } from "../place.mjs";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** As an authenticator app makes it (RFC 6238). */
function code(secret, at = Date.now()) {
  const bits = [...secret].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const digest = createHmac("sha1", key).update(step).digest();
  const number = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

async function enter(place, page) {
  await page.context().clearCookies();
  await place.open(page, "/login?next=/account");
  await page.fill("#name", "anna");
  await page.fill("#password", PASSWORD);
  await page.press("#password", "Enter");
  await page.waitForSelector("#code");
}

async function type(page, text) {
  await page.fill("#code", text);
  await page.press("#code", "Enter");
}

export default async function story(place) {
  const page = await place.person();
  place.step("it is turned on: a picture, a secret, a code, the password");
  await place.open(page, "/account/second-factor");
  assert.ok(await page.locator("svg.qr path").count());
  const secret = (await page.textContent("[data-secret]")).replaceAll(" ", "");
  await page.fill("#code", "000000");
  await page.fill("#current", PASSWORD);
  await page.press("#current", "Enter");
  await page.waitForSelector("#code-error");
  assert.equal((await page.textContent("[data-secret]")).replaceAll(" ", ""), secret, "the secret stays");
  const used = code(secret);
  await page.fill("#code", used);
  await page.fill("#current", PASSWORD);
  await page.press("#current", "Enter");
  await page.waitForSelector("#recovery-codes");
  const recovery = (await page.textContent("#recovery-codes")).trim().split("\n");
  assert.equal(recovery.length, 10);
  await page.reload();
  assert.equal(await page.locator("#recovery-codes").count(), 0, "they are shown once");
  place.step("the code that turned it on does not count again; the next one does");
  await enter(place, page);
  await type(page, used);
  await page.waitForSelector("#code-error");
  await type(page, code(secret, Date.now() + 30_000));
  await page.waitForURL(`${place.origin}/account`);
  place.step("a recovery code counts once, however it is typed");
  await enter(place, page);
  await type(page, recovery[0].toUpperCase().replaceAll("-", " "));
  await page.waitForURL(`${place.origin}/account`);
  await enter(place, page);
  await type(page, recovery[0]);
  await page.waitForSelector("#code-error");
  place.step("between password and code nothing is open");
  assert.equal(new URL((await place.open(page, "/devices"), page).url()).pathname, "/login");
  place.step("guessing takes patience");
  await enter(place, page);
  let status = 0;
  page.on("response", (answer) => { status = answer.request().method() === "POST" ? answer.status() : status; });
  for (let tries = 0; tries < 10 && status !== 429; tries += 1) {
    await type(page, "000000");
    await page.waitForLoadState();
  }
  assert.equal(status, 429, "a wait");
  place.step("the command line takes it away, and the password alone signs in");
  place.server.command(["user", "reset-second-factor", "anna"]);
  await page.context().clearCookies();
  await place.signIn(page);
  await place.open(page, "/account");
  assert.match(await page.textContent("main"), /Turn on the second factor/);
}
