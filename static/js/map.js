// Where a terminal is and was. Without a tile server the map is an outline of the land that comes with the program.

import { library } from "./library.js";

const box = document.querySelector("[data-map]");
const place = () => document.querySelector("[data-place]");
const id = document.querySelector("[data-device]")?.dataset.deviceId;

const TRACK_DAYS = 1;
const TRACK_STEP_S = 120;
const LIVE_EVERY = 30000;

const colour = (name) => getComputedStyle(box).getPropertyValue(name).trim();

/** Rings of steps in hundredths of a degree, as [latitude, longitude]. */
function ring(steps) {
  const points = [];
  let [x, y] = [0, 0];
  for (let i = 0; i < steps.length; i += 2) {
    x += steps[i];
    y += steps[i + 1];
    points.push([y / 100, x / 100]);
  }
  return points;
}

async function outline(map) {
  const response = await fetch(box.dataset.land);
  if (response.ok) {
    const style = { color: colour("--map-coast"), fillColor: colour("--map-land"), fillOpacity: 1, weight: 1, interactive: false };
    const polygons = (await response.json()).map((polygon) => polygon.map(ring));
    L.polygon(polygons, style).addTo(map).bringToBack();
  }
}

function base(map) {
  if (box.dataset.tiles) {
    const text = document.createElement("span");
    text.textContent = box.dataset.attribution;
    L.tileLayer(box.dataset.tiles, { attribution: text.innerHTML, maxZoom: 19 }).addTo(map);
  } else {
    outline(map).catch(() => {});
  }
}

/** Stretches of the track: broken where nothing was heard for a while. */
async function track() {
  const from = new Date(Date.now() - TRACK_DAYS * 86400000).toISOString();
  const query = new URLSearchParams({ from, step: TRACK_STEP_S });
  const response = await fetch(`/api/v1/devices/${encodeURIComponent(id)}/history?${query}`);
  const stretches = [];
  let last = 0;
  for (const item of response.ok ? (await response.json()).items : []) {
    if (typeof item.latitude === "number" && typeof item.longitude === "number") {
      const at = Date.parse(item.at);
      if (!stretches.length || at - last > 1800000) {
        stretches.push([]);
      }
      stretches.at(-1).push([item.latitude, item.longitude]);
      last = at;
    }
  }
  return stretches;
}

async function start() {
  await library(box.dataset.library);
  box.hidden = false;
  const here = () => [Number(place().dataset.latitude), Number(place().dataset.longitude)];
  const map = L.map(box, { zoomControl: false, preferCanvas: true, worldCopyJump: true, minZoom: 1 });
  map.attributionControl.setPrefix(false);
  L.control.zoom({ zoomInTitle: box.dataset.in, zoomOutTitle: box.dataset.out }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  map.setView(here(), box.dataset.tiles ? 13 : 5);
  base(map);
  const line = L.polyline([], { color: colour("--map-track"), weight: 3, interactive: false }).addTo(map);
  const dot = L.circleMarker(here(), { radius: 7, color: colour("--map-here"), fillColor: colour("--map-here"), fillOpacity: 0.8 }).addTo(map);
  const words = document.createElement("span");
  const tell = () => { words.textContent = `${box.dataset.here}: ${here().map((n) => n.toFixed(5)).join(", ")}`; };
  dot.bindTooltip(words);
  const move = async () => {
    if (place()) {
      tell();
      dot.setLatLng(here());
      line.setLatLngs(await track());
    }
  };
  const safely = () => move().catch(() => {});
  safely();
  setInterval(() => { if (!document.hidden) { safely(); } }, LIVE_EVERY);
}

if (box && place()) {
  // Without the library the numbers stay.
  start().catch(() => {});
}
