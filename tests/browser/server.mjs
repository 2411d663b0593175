// A server on a temporary data folder and a free port, and terminals for it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const children = [];

function start(binary, args, onLine) {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
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

/** Starts a server; gives its setup link and its origin. */
export function startServer(binary) {
  const data = mkdtempSync(join(tmpdir(), "fleetward-browser-"));
  process.on("exit", () => {
    children.forEach((child) => child.kill("SIGKILL"));
    rmSync(data, { recursive: true, force: true });
  });
  return new Promise((resolve, reject) => {
    const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data];
    const child = start(binary, args, (line) => {
      const link = line.match(/https?:\/\/\S+\/setup\?token=\S+/)?.[0];
      if (link) {
        resolve({ link, origin: new URL(link).origin, process: child });
      }
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code} before it gave a setup link`)));
    setTimeout(() => reject(new Error("no setup link within 30 s")), 30_000).unref();
  });
}

/** Ends the server and waits for it. */
export function stop(child) {
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  return ended;
}

/** Simulated terminals that take updates. */
export function simulate(binary, origin, token, count) {
  const modules = ["--module", "app1=1.0.0", "--module", "app2=2.0.0"];
  const where = ["simulate", "--server", origin, "--token", token, "--devices", String(count), "--interval", "2s"];
  return start(binary, [...where, ...modules], () => {});
}

export const HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\"'\u202e";

/** A terminal that says the worst in every text it may say. */
export function connectHostile(origin, token) {
  const socket = new WebSocket(`${origin.replace("http", "ws")}/ws`, { headers: { Authorization: `Bearer ${token}` } });
  const device_id = "hostile-1";
  const now = () => Math.floor(Date.now() / 1000);
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => {
      socket.send(JSON.stringify({ device_id, timestamp: now(), version_list: [{ name: "app1", version: "1.1.0" }] }));
    });
    socket.on("message", (data) => {
      if (JSON.parse(data.toString()).type !== "welcome") {
        return;
      }
      const report = {
        device_id, timestamp: now(), cpu_utilization: 97.5, load_average: [3, 2, 1],
        sd_card: [{ name: HOSTILE, total: 32000, used: 31000, free: 1000 }],
        temprature: [{ type: HOSTILE, degree: 71.5 }],
        status: [{ process: HOSTILE, status: HOSTILE.repeat(100) }],
        location: { latitude: 31.2304, longtitude: 121.4737, altitude: 4.5 },
        weather: HOSTILE, speed: 42, [HOSTILE]: HOSTILE, "": { nested: HOSTILE },
      };
      socket.send(JSON.stringify(report));
      socket.send(JSON.stringify({ ...report, timestamp: now() + 1, cpu_utilization: 12 }));
      resolve(socket);
    });
  });
}
