// A first day with Fleetward: set up, add terminals, upload a package, update them, watch it, and look at every
// page in light, dark, narrow, and without scripts. Nothing may be written to the console, no rule of the content
// security policy may be broken, and no text of a terminal may become markup.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { HOSTILE, connectHostile, simulate, startServer, stop } from "./server.mjs";

const [binary] = process.argv.slice(2);
const pictures = process.env.SCREENSHOTS;
const COUNT = 12;
const complaints = [];

function step(text) {
  console.log(`- ${text}`);
}

/** Notes whatever a page complains about; a status that the story asked for is no complaint. */
function listen(page) {
  page.on("console", (message) => {
    const text = message.text();
    if (["error", "warning"].includes(message.type()) && !/status of (401|403|404|409|422)/.test(text)) {
      complaints.push(`${page.url()}: ${text}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
}

async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  listen(page);
  return page;
}

const looks = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  narrow: { colorScheme: "light", viewport: { width: 360, height: 740 } },
};

/** Looks at a page in every look: it is written, not wider than the window, and every input has a label. */
async function look(browser, state, origin, path, name) {
  for (const [kind, options] of Object.entries(looks)) {
    const page = await newPage(browser, { ...options, storageState: state });
    const response = await page.goto(`${origin}${path}`, { waitUntil: "load" });
    assert.ok(response.status() < 500, `${path}: ${response.status()}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${path} is ${wide} px wider than a window of ${options.viewport?.width ?? 1280} px`);
    const bare = await page.evaluate(() => {
      const inputs = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")];
      return inputs.filter((i) => i.labels.length === 0 && !i.ariaLabel).map((i) => i.outerHTML);
    });
    assert.deepEqual(bare, [], `${path}: inputs without a label`);
    assert.notEqual(await page.title(), "owned");
    if (pictures) {
      await page.screenshot({ path: `${pictures}/${name}-${kind}.png`, fullPage: true });
    }
    await page.context().close();
  }
}

async function setUp(page, server) {
  step("an admin is made by the printed link, and a mistake keeps what was typed");
  await page.goto(`${server.origin}/devices`);
  assert.equal(new URL(page.url()).pathname, "/login", "strangers are led to sign in");
  await page.goto(server.link);
  await page.fill("#name", "anna");
  await page.fill("#password", "a long enough one");
  await page.fill("#repeat", "another long one");
  await page.click("text=Create admin");
  assert.equal(await page.inputValue("#name"), "anna");
  assert.match(await page.textContent("#repeat-error"), /not the same/);
  await page.fill("#password", "a long enough one");
  await page.fill("#repeat", "a long enough one");
  await page.click("text=Create admin");
  await page.waitForURL(`${server.origin}/`);
  assert.match(await page.textContent("main"), /No terminals yet/);
}

async function signInAgain(page, origin) {
  step("signing out and in again, with a wrong password first");
  await page.click("text=Sign out");
  await page.goto(`${origin}/packages`);
  await page.fill("#name", "anna");
  await page.fill("#password", "not the right one");
  await page.press("#password", "Enter");
  assert.equal(await page.inputValue("#name"), "anna");
  assert.match(await page.textContent("#password-error"), /do not fit/);
  await page.fill("#password", "a long enough one");
  await page.press("#password", "Enter");
  await page.waitForURL(`${origin}/packages`);
}

async function enrol(page, origin) {
  step("an enrolment token is shown once, with the command to copy");
  await page.goto(`${origin}/enrol`);
  await page.fill("#uses", "none");
  await page.click("text=Create enrolment token");
  assert.match(await page.textContent("#uses-error"), /whole number/);
  await page.fill("#uses", "");
  await page.click("text=Create enrolment token");
  const token = await page.textContent("[data-secret]");
  assert.match(await page.textContent("#agent-command"), new RegExp(`--server ${origin} .*--token ${token}`));
  await page.reload();
  assert.equal(await page.locator("[data-secret]").count(), 0, "the token is shown once");
  return token;
}

async function terminalsArrive(page, server, token) {
  step("terminals connect, and the open pages notice by themselves");
  await page.goto(`${server.origin}/`);
  simulate(binary, server.origin, token, COUNT);
  await connectHostile(server.origin, token);
  await page.waitForFunction((n) => document.querySelector(".figure .n")?.textContent === String(n), COUNT + 1, { timeout: 30_000 });
  await page.goto(`${server.origin}/devices?q=hostile&sort=online`);
  await page.click("text=hostile-1");
  const text = await page.textContent("main");
  assert.ok(text.includes(HOSTILE.slice(0, 30)), "what it said is shown as text");
  assert.equal(await page.locator("main img, main script").count(), 0, "and is no markup");
}

async function renameToWorse(page, origin) {
  step("names and tags are kept, escaped, and refused with a reason");
  await page.goto(`${origin}/devices/hostile-1`);
  await page.fill("#name", HOSTILE.replace("\u202e", ""));
  await page.fill("#tags", "region=east\nnonsense");
  await page.click("#edit button");
  assert.match(await page.textContent("#tags-error"), /name=value/);
  assert.equal(await page.inputValue("#tags"), "region=east\nnonsense");
  await page.fill("#tags", "region=east\nkind=<b>bus</b>");
  await page.click("#edit button");
  assert.match(await page.textContent("[role=status].alert"), /Saved/);
  assert.equal(await page.locator("h1 img, .tag b").count(), 0);
}

async function upload(page, origin) {
  step("a package is uploaded with the form, and a refusal stands at its field");
  await page.goto(`${origin}/packages`);
  await page.fill("#name", "app 1");
  await page.fill("#version", "1.1.0");
  await page.fill("#notes", HOSTILE);
  const file = { name: "app1.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(3 * 1024 * 1024, "x") };
  await page.setInputFiles("#file", file);
  await page.click("[data-submit]");
  await page.waitForSelector("#name-error >> text=name");
  assert.equal(await page.inputValue("#notes"), HOSTILE);
  await page.fill("#name", "app1");
  await page.click("[data-submit]");
  await page.waitForURL(/done=package_added/);
  await page.waitForSelector("text=app1.bin");
}

async function update(page, origin) {
  step("a new update: choose, plan, back, plan, confirm");
  await page.goto(`${origin}/rollouts/new`);
  assert.equal(await page.inputValue("#version-app1"), "1.1.0", "the newest is chosen already");
  await page.click("text=Change how carefully");
  await page.fill("#health_window_s", "soon");
  await page.click(".submit button >> text=Plan");
  assert.match(await page.textContent("#health_window_s-error"), /whole number/);
  await page.fill("#health_window_s", "1");
  await page.fill("#stages", "2, 100%");
  await page.click(".submit button >> text=Plan");
  await page.click("button >> text=Back");
  assert.equal(await page.inputValue("#health_window_s"), "1", "going back keeps everything");
  assert.equal(await page.inputValue("#stages"), "2, 100%");
  await page.click(".submit button >> text=Plan");
  if (pictures) {
    await page.screenshot({ path: `${pictures}/rollout_plan-light.png`, fullPage: true });
  }
  await page.click(`button >> text=Update ${COUNT} terminals`);
  await page.waitForURL(/\/rollouts\/\d+/);
  return new URL(page.url()).pathname;
}

async function watch(page) {
  step("the table moves by itself until every terminal is verified, and rows stay where they are");
  const names = () => page.locator("tbody th").allTextContents();
  const before = await names();
  if (pictures) {
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `${pictures}/rollout-moving-light.png`, fullPage: true });
  }
  await page.waitForFunction(
    (n) => document.querySelectorAll("[data-state] .s-verified").length === n, COUNT, { timeout: 120_000 });
  await page.waitForSelector("#live-state .r-completed", { timeout: 20_000 });
  assert.deepEqual(await names(), before);
  const versions = await page.locator('[data-part="version"]').allTextContents();
  assert.ok(versions.every((version) => version.trim() === "1.1.0"), versions.join());
}

async function withoutScripts(browser, state, origin, rollout) {
  step("everything but what moves works without scripts");
  const page = await newPage(browser, { javaScriptEnabled: false, storageState: state });
  await page.goto(`${origin}/packages`);
  await page.fill("#name", "app2");
  await page.fill("#version", "2.1.0");
  await page.setInputFiles("#file", { name: "app2.bin", mimeType: "application/octet-stream", buffer: Buffer.from("two") });
  await page.click("[data-submit]");
  assert.match(await page.textContent("[role=status].alert"), /uploaded/);
  await page.click('[aria-label="Sections"] >> text=Updates');
  await page.click("text=New update");
  await page.check("#target-tags");
  await page.fill("#tags", "region=nowhere");
  await page.click(".submit button >> text=Plan");
  assert.match(await page.textContent("#tags-error"), /no device has these tags/);
  assert.equal(await page.inputValue("#tags"), "region=nowhere");
  await page.goto(`${origin}${rollout}/cancel`);
  assert.match(await page.textContent("main"), /Cancel update/);
  await page.click("text=Keep it");
  await page.goto(`${origin}/packages/app1/1.1.0/delete`);
  await page.click("main button");
  assert.match(await page.textContent("main"), /not deleted|is deleted/);
  await page.click("[data-theme-form] button");
  assert.equal(await page.getAttribute("html", "data-bs-theme"), "light");
  await page.context().close();
}

async function access(page, origin) {
  step("people and tokens are made and taken back; the last admin stays");
  await page.goto(`${origin}/users`);
  await page.click("text=Add a person");
  await page.fill("#user-name", "bert");
  await page.fill("#user-password", "a long enough one");
  await page.selectOption("#user-role", "viewer");
  await page.click("button >> text='Add'");
  await page.waitForSelector("tr >> text=bert");
  await page.click("text=Create an API token");
  await page.fill("#token-name", "build server");
  await page.click("button >> text='Create'");
  assert.match(await page.textContent("[data-secret]"), /^fwa_/);
  await page.reload();
  assert.equal(await page.locator("[data-secret]").count(), 0);
  await page.click("#api-tokens button >> text=Revoke");
  assert.match(await page.textContent("#api-tokens tbody"), /revoked/);
  await page.goto(`${origin}/users/1/delete`);
  await page.click("main button");
  assert.match(await page.textContent("main [role=alert]"), /last admin/);
}

async function viewerSees(browser, origin) {
  step("a viewer sees everything and is offered nothing that is refused");
  const page = await newPage(browser);
  await page.goto(`${origin}/login`);
  await page.fill("#name", "bert");
  await page.fill("#password", "a long enough one");
  await page.press("#password", "Enter");
  await page.waitForURL(`${origin}/`);
  for (const path of ["/", "/devices", "/devices/hostile-1", "/packages", "/rollouts", "/rollouts/1"]) {
    await page.goto(`${origin}${path}`);
    assert.equal(await page.locator("main form[method=post]").count(), 0, `${path} offers a viewer a form`);
  }
  const response = await page.goto(`${origin}/users`);
  assert.equal(response.status(), 403);
  assert.match(await page.textContent("h1"), /Not allowed/);
  await page.context().close();
}

async function lostAndFound(page, server) {
  step("the page says when the live connection is lost");
  await page.goto(`${server.origin}/devices`);
  await page.waitForTimeout(500);
  complaints.push(...complaints.splice(0));
  const known = complaints.length;
  await stop(server.process);
  await page.waitForSelector("[data-offline]:not([hidden])", { timeout: 20_000 });
  complaints.splice(known);
}

async function rollBack(page, origin, rollout) {
  step("an update is rolled back: refused with the reason first, then done and watched");
  const ask = async () => {
    await page.goto(`${origin}${rollout}`);
    await page.click("button >> text=Roll back");
    assert.match(await page.textContent("main"), /goes back to the version it ran before/);
    await page.click("button >> text=Roll it back");
  };
  await ask();
  assert.match(await page.textContent("[role=alert]"), /no package app1 1\.0\.0; upload it first/);
  await page.goto(`${origin}/packages`);
  await page.fill("#name", "app1");
  await page.fill("#version", "1.0.0");
  await page.setInputFiles("#file", { name: "old.bin", mimeType: "application/octet-stream", buffer: Buffer.from("old") });
  await page.click("[data-submit]");
  await page.waitForURL(/done=package_added/);
  await ask();
  await page.waitForURL(/done=rollout_rolled_back/);
  assert.match(await page.textContent("#live-state"), /rolled back/i);
  if (pictures) {
    await page.screenshot({ path: `${pictures}/rollout-rolled-back-light.png`, fullPage: true });
  }
  const next = Number(rollout.split("/").pop()) + 1;
  await page.goto(`${origin}/rollouts/${next}`);
  assert.match(await page.textContent(".lead-line"), /the way back of update/);
  await page.waitForSelector("#live-state .r-completed", { timeout: 60_000 });
  const versions = await page.locator('[data-part="version"]').allTextContents();
  assert.ok(versions.every((version) => version.trim() === "1.0.0"), versions.join());
  if (pictures) {
    await page.screenshot({ path: `${pictures}/rollout-way-back-light.png`, fullPage: true });
  }
}

async function lookAround(browser, state, origin, rollout) {
  step("every page in light, dark, and 360 px");
  const pages = {
    overview: "/", devices: "/devices", "devices-none": "/devices?q=nobody", device: "/devices/hostile-1",
    "device-sim": "/devices/sim-1", enrol: "/enrol", packages: "/packages", rollouts: "/rollouts",
    "rollout-new": "/rollouts/new", rollout, "rollout-none": `${rollout}?state=failed`, users: "/users",
    account: "/account", confirm: "/devices/hostile-1/delete", "not-found": "/nothing",
  };
  for (const [name, path] of Object.entries(pages)) {
    await look(browser, state, origin, path, name);
  }
}

async function main() {
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
  }
  const server = await startServer(binary);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  const page = await newPage(browser);
  await setUp(page, server);
  await signInAgain(page, server.origin);
  const empty = await page.context().storageState();
  for (const [name, path] of Object.entries({ overview: "/", devices: "/devices", packages: "/packages", rollouts: "/rollouts", "rollout-new": "/rollouts/new" })) {
    await look(browser, empty, server.origin, path, `empty-${name}`);
  }
  await look(browser, undefined, server.origin, "/login", "login");
  const token = await enrol(page, server.origin);
  await terminalsArrive(page, server, token);
  await renameToWorse(page, server.origin);
  await upload(page, server.origin);
  const rollout = await update(page, server.origin);
  await watch(page);
  const state = await page.context().storageState();
  await withoutScripts(browser, state, server.origin, rollout);
  await access(page, server.origin);
  await viewerSees(browser, server.origin);
  await lookAround(browser, state, server.origin, rollout);
  await rollBack(page, server.origin, rollout);
  await lostAndFound(page, server);
  await browser.close();
  assert.deepEqual(complaints, [], "the browser complained");
  console.log("The story went as told.");
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  console.error(complaints.join("\n"));
  process.exit(1);
});
