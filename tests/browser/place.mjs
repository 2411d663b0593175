// Where a story plays: a server, people signed in, and the verbs that stories share.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { listen } from "./browser.mjs";
import { Server } from "./server.mjs";

export const PASSWORD = "a long enough one";

export class Place {
  constructor(binary, browser, step) {
    this.browser = browser;
    this.step = step;
    this.server = new Server(binary);
    this.complaints = [];
    this.contexts = [];
  }

  /** `empty`: nobody can sign in yet. `terminals`: so many simulated ones. */
  async begin({ empty = false, terminals = 0, serve = [] }) {
    if (!empty) {
      this.user("anna", "admin");
    }
    await this.server.start(serve);
    if (terminals) {
      this.server.simulate(terminals);
      await this.connected(terminals);
    }
  }

  user(name, role) {
    this.server.command(["user", "add", name, "--role", role, "--password-stdin"], `${PASSWORD}\n`);
  }

  get origin() {
    return this.server.origin;
  }

  /** Waits until so many terminals are online. */
  async connected(count) {
    await this.until(`${count} terminals online`, async () => {
      const { items } = await this.server.api("GET", `/devices?online=true&limit=${count}`);
      return items.length === count;
    });
  }

  /** Looks again and again, and not for ever. */
  async until(what, look, seconds = 60) {
    const end = Date.now() + seconds * 1000;
    while (!(await look())) {
      assert.ok(Date.now() < end, `not within ${seconds} s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** A window in which nobody is signed in. */
  async stranger(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
    this.contexts.push(context);
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    listen(page, this.complaints);
    return page;
  }

  /** A window in which somebody is signed in. */
  async person(name = "anna", options = {}) {
    const page = await this.stranger(options);
    await this.signIn(page, name);
    return page;
  }

  /** Signs in without the form, which has a story of its own. */
  async signIn(page, name = "anna", form = {}) {
    const answer = await page.context().request.post(`${this.origin}/login`, { form: { name, password: PASSWORD, ...form } });
    assert.ok(answer.ok(), `${name} can't sign in: ${answer.status()}`);
  }

  /** Opens a page of the server. */
  async open(page, path) {
    const answer = await page.goto(`${this.origin}${path}`, { waitUntil: "load" });
    assert.ok(answer.status() < 500, `${path}: ${answer.status()}`);
    return answer;
  }

  /** Opens a page that moves, and waits until it has its connection. */
  async openLive(page, path) {
    const connected = page.waitForResponse((answer) => answer.url().includes("/api/v1/live"));
    await this.open(page, path);
    await connected;
  }

  nothingWasComplainedOf() {
    assert.deepEqual(this.complaints, [], "the browser complained");
  }

  /** A picture of what was to be seen when a story failed. */
  async photograph(name) {
    const folder = process.env.SCREENSHOTS;
    if (!folder) {
      return;
    }
    mkdirSync(folder, { recursive: true });
    const pages = this.contexts.flatMap((context) => context.pages());
    await Promise.all(pages.map((page, n) => page.screenshot({ path: `${folder}/failed-${name}-${n}.png` }).catch(() => {})));
  }

  async end() {
    await Promise.all(this.contexts.map((context) => context.close().catch(() => {})));
    await this.server.remove();
  }
}
