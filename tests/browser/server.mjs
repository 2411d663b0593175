// A server on a temporary data folder, terminals for it, and its command line.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

function start(binary, args, onLine = () => {}) {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.on("exit", () => running.delete(child));
  let text = "";
  child.stdout.on("data", (piece) => {
    text += piece;
    const lines = text.split("\n");
    text = lines.pop();
    lines.forEach(onLine);
  });
  child.stderr.on("data", (piece) => process.env.VERBOSE && process.stderr.write(piece));
  return child;
}

/** Ends a program and waits for it. */
export function stop(child, signal = "SIGTERM") {
  if (!child || child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve();
  }
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill(signal);
  return ended;
}

const freePort = () => new Promise((resolve, reject) => {
  const socket = createServer().once("error", reject);
  socket.listen(0, "127.0.0.1", () => {
    const { port } = socket.address();
    socket.close(() => resolve(port));
  });
});

export class Server {
  constructor(binary) {
    this.binary = binary;
    this.data = mkdtempSync(join(tmpdir(), "fleetward-browser-"));
    this.children = [];
  }

  /** Runs a command of the server's own command line on its data folder. */
  command(args, input) {
    return execFileSync(this.binary, ["--data-dir", this.data, ...args], { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] }).trim();
  }

  /** Starts, or starts again at the same address. */
  async start(args = []) {
    this.port ??= await freePort();
    this.origin = `http://127.0.0.1:${this.port}`;
    this.link = undefined;
    const line = (text) => { this.link ??= text.match(/https?:\/\/\S+\/setup\?token=\S+/)?.[0]; };
    this.process = start(this.binary, ["serve", "--listen", `127.0.0.1:${this.port}`, "--data-dir", this.data, ...args], line);
    for (let tries = 0; tries < 600; tries += 1) {
      if (this.process.exitCode !== null) {
        throw new Error(`the server ended with ${this.process.exitCode}`);
      }
      const alive = await fetch(`${this.origin}/healthz`).then((answer) => answer.ok, () => false);
      if (alive) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the server did not answer within 30 s");
  }

  stop(signal) {
    return stop(this.process, signal);
  }

  /** Simulated terminals that take updates. */
  simulate(count, { modules = ["app1=1.0.0", "app2=2.0.0"], token = this.enrolment(), prefix = "sim-", failRate = 0 } = {}) {
    const args = ["simulate", "--server", this.origin, "--token", token, "--devices", String(count), "--interval", "2s"];
    args.push("--prefix", prefix, "--fail-rate", String(failRate));
    const child = start(this.binary, [...args, ...modules.flatMap((module) => ["--module", module])]);
    this.children.push(child);
    return child;
  }

  enrolment() {
    return this.command(["enrolment-token", "create", "--expires", "1h"]);
  }

  /** A call of the API; gives what it answered. */
  async api(method, path, body) {
    this.token ??= this.command(["token", "create", "--name", "browser", "--role", "admin"]);
    const json = body !== undefined && !(body instanceof FormData);
    const answer = await fetch(`${this.origin}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(json && { "Content-Type": "application/json" }) },
      body: json ? JSON.stringify(body) : body,
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    }
    return text ? JSON.parse(text) : undefined;
  }

  upload(name, version, { bytes = `${name} ${version}`, notes = "" } = {}) {
    const form = new FormData();
    form.set("name", name);
    form.set("version", version);
    form.set("notes", notes);
    form.set("file", new Blob([bytes]), `${name}-${version}.bin`);
    return this.api("POST", "/packages", form);
  }

  async remove() {
    await Promise.all(this.children.map((child) => stop(child, "SIGKILL")));
    await stop(this.process, "SIGKILL");
    rmSync(this.data, { recursive: true, force: true });
  }
}
