// A terminal's numbers over time, drawn by uPlot in the place of the server's pictures: read off under the pointer,
// and looked at closer by dragging. All charts of the page move together.
import { library } from "./library.js";
import { written } from "./time.js";

const section = document.querySelector("[data-charts]");
const plots = section?.querySelector("[data-plots]");
const drawn = section?.querySelector("[data-drawn]");
const unzoom = section?.querySelector("[data-unzoom]");
const id = document.querySelector("[data-device]")?.dataset.deviceId;

const SECONDS = { "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "30d": 2592000 };
const POINTS = 600;
const NUMBERS = [
  ["cpu", "cpu_utilization"], ["load", "load_average"], ["temperature", "temperature"],
  ["disk", "disk_used_percent"], ["speed", "speed"],
];
const LIVE_EVERY = 30000;
const HEIGHT = 150;

let range = section?.dataset.range ?? "24h";
/** What the reader dragged over, in seconds; null: the whole span. */
let zoom = null;
let charts = [];
let asked = 0;

const colour = (name) => getComputedStyle(section).getPropertyValue(name).trim();

/** Hours within a day, dates beyond it, as the page's language writes them. */
function moments(span) {
  const parts = span[1] - span[0] > 90000 ? { month: "numeric", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const format = new Intl.DateTimeFormat(document.documentElement.lang, parts);
  return (_, splits) => splits.map((at) => format.format(at * 1000));
}

function options(kind, width, span) {
  const [line, grid, soft] = [colour(`--chart-${kind}`), colour("--line"), colour("--soft")];
  const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "11px system-ui" };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: "device" }, drag: { x: true, y: false, setScale: false } },
    legend: { live: true },
    scales: {
      x: { range: () => span },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), ["cpu", "disk"].includes(kind) ? Math.max(100, high ?? 0) : Math.max(1, (high ?? 0) * 1.1)] },
    },
    axes: [{ ...axis, space: 70, values: moments(span) }, { ...axis, size: 46 }],
    series: [
      { label: section.dataset.at, value: (_, at) => (at === null ? "" : written(new Date(at * 1000))) },
      { label: section.dataset[kind], stroke: line, width: 1.5, points: { size: 4 }, value: (_, v) => (v === null || v === undefined ? "–" : v.toFixed(1)) },
    ],
    hooks: {
      setSelect: [(plot) => {
        if (plot.select.width > 8) {
          look([plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")]);
        }
      }],
    },
  };
}

/** Values in their steps, with a hole where samples are missing, so that no line is drawn over it. */
function series(items, name, step) {
  const [times, values] = [[], []];
  const gap = Math.max(1800, step * 3);
  for (const item of items) {
    const value = item[name];
    if (typeof value === "number") {
      const at = Date.parse(item.at) / 1000;
      if (times.length && at - times.at(-1) > gap) {
        times.push(times.at(-1) + 1);
        values.push(null);
      }
      times.push(at);
      values.push(value);
    }
  }
  return [times, values];
}

function draw(items, step, span) {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  plots.querySelectorAll(".plot").forEach((old) => old.remove());
  for (const [kind, name] of NUMBERS) {
    const data = series(items, name, step);
    if (data[0].length) {
      const box = document.createElement("div");
      box.className = "plot";
      const title = document.createElement("h3");
      title.textContent = section.dataset[kind];
      box.append(title);
      plots.append(box);
      charts.push(new uPlot(options(kind, box.clientWidth, span), data, box));
    }
  }
  plots.hidden = false;
  drawn.hidden = charts.length > 0;
  charts.forEach((chart) => chart.setSize({ width: chart.root.parentElement.clientWidth, height: HEIGHT }));
}

async function fetchAndDraw() {
  asked += 1;
  const mine = asked;
  const now = Date.now() / 1000;
  const span = zoom ?? [now - SECONDS[range], now];
  const step = Math.floor((span[1] - span[0]) / POINTS);
  const iso = (seconds) => new Date(seconds * 1000).toISOString();
  const query = new URLSearchParams({ from: iso(span[0]), to: iso(span[1]), step });
  const response = await fetch(`/api/v1/devices/${encodeURIComponent(id)}/history?${query}`, { headers: { Accept: "application/json" } });
  if (response.ok && mine === asked) {
    draw((await response.json()).items, step, span);
  }
}

function refresh() {
  // The server's picture stays when there is no answer, and the lost connection is told by the page.
  fetchAndDraw().catch(() => {});
}

function look(span) {
  zoom = span;
  unzoom.hidden = false;
  refresh();
}

function whole() {
  zoom = null;
  unzoom.hidden = true;
  refresh();
}

function choose(event) {
  event.preventDefault();
  range = event.currentTarget.dataset.toRange;
  for (const link of section.querySelectorAll("[data-to-range]")) {
    if (link.dataset.toRange === range) {
      link.setAttribute("aria-current", "true");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  history.replaceState(null, "", `?range=${range}`);
  whole();
}

async function start() {
  await library(section.dataset.library);
  section.querySelectorAll("[data-to-range]").forEach((link) => link.addEventListener("click", choose));
  unzoom.addEventListener("click", whole);
  addEventListener("resize", () => charts.forEach((chart) => chart.setSize({ width: chart.root.parentElement.clientWidth, height: HEIGHT })));
  new MutationObserver(refresh).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  setInterval(() => { if (!document.hidden && zoom === null) { refresh(); } }, LIVE_EVERY);
  refresh();
}

if (section) {
  // Without the library the server's pictures stay.
  start().catch(() => {});
}
