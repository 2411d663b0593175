// Fetches what the pages take from others, from npm, at the versions below, and writes manifest.json.
//   node static/vendor/update.mjs
// Nothing else writes into this folder. The files are not built: bootstrap.min.css is the distributed one, the
// sprite holds single icons, and dark-auto.css is Bootstrap's own dark rules under prefers-color-scheme, for
// readers who have not chosen a theme.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const VERSIONS = {
  bootstrap: "5.3.9", "bootstrap-icons": "1.13.1", uplot: "1.6.32", leaflet: "1.9.4", "world-atlas": "2.0.2",
};
const ICONS = [
  "arrow-counterclockwise", "arrow-down-short", "arrow-up-short", "arrow-repeat", "arrow-right-short", "box-seam", "check-circle", "circle",
  "circle-half", "clock", "dash-circle", "download", "exclamation-triangle", "gear", "hdd-network", "info-circle",
  "moon-stars", "pause-circle", "person", "play-circle", "plus-lg", "search", "slash-circle", "sun", "trash",
  "upload", "x-circle",
];

const work = mkdtempSync(join(tmpdir(), "vendor-"));

function unpack(name) {
  const out = execFileSync("npm", ["pack", "--silent", `${name}@${VERSIONS[name]}`], { cwd: work, encoding: "utf8" });
  const folder = join(work, name);
  mkdirSync(folder);
  execFileSync("tar", ["xzf", join(work, out.trim()), "-C", folder, "--strip-components=1"]);
  return folder;
}

/** Bootstrap's dark rules, for a page without a chosen theme on a dark system. */
function darkAuto(css) {
  const rules = css.match(/^[^\n{}@]*\[data-bs-theme=dark\][^{}]*\{[^{}]*\}/gm) ?? [];
  const own = rules.filter((rule) => !rule.startsWith(".navbar") && !/carousel|accordion/.test(rule));
  const auto = own.map((rule) => rule.replaceAll("[data-bs-theme=dark]", ":root:not([data-bs-theme])"));
  return `@media (prefers-color-scheme: dark) {\n${auto.join("\n")}\n}\n`;
}

function sprite(folder) {
  const symbol = (name) => {
    const svg = readFileSync(join(folder, "icons", `${name}.svg`), "utf8");
    const inner = svg.replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "").replace(/\s*\n\s*/g, "");
    return `<symbol id="${name}" viewBox="0 0 16 16">${inner}</symbol>`;
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" fill="currentColor">\n${ICONS.map(symbol).join("\n")}\n</svg>\n`;
}

/** A ring without the points that lie within `tolerance` degrees of the line through their neighbours. */
function simplified(ring, tolerance) {
  const keep = new Uint8Array(ring.length);
  keep[0] = keep[ring.length - 1] = 1;
  const open = [[0, ring.length - 1]];
  while (open.length) {
    const [first, last] = open.pop();
    const [ax, ay] = ring[first];
    const [dx, dy] = [ring[last][0] - ax, ring[last][1] - ay];
    const length = Math.hypot(dx, dy);
    let farthest = 0;
    let most = tolerance;
    for (let i = first + 1; i < last; i += 1) {
      const [x, y] = [ring[i][0] - ax, ring[i][1] - ay];
      const off = length > 0 ? Math.abs(x * dy - y * dx) / length : Math.hypot(x, y);
      if (off > most) {
        [farthest, most] = [i, off];
      }
    }
    if (farthest) {
      keep[farthest] = 1;
      open.push([first, farthest], [farthest, last]);
    }
  }
  return ring.filter((_, i) => keep[i]);
}

/**
 * The land of a TopoJSON as polygons of rings, in hundredths of a degree: longitude and latitude of the first point,
 * then the steps from point to point.
 */
function land(topology) {
  const { scale, translate } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]) => {
      x += dx;
      y += dy;
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
  });
  const line = (index) => (index < 0 ? [...arcs[~index]].reverse() : arcs[index]);
  const ring = (parts) => parts.flatMap((part, i) => (i ? line(part).slice(1) : line(part)));
  const steps = (points) => {
    const at = points.map((point) => point.map((degrees) => Math.round(degrees * 100)));
    return at.flatMap(([x, y], i) => (i ? [x - at[i - 1][0], y - at[i - 1][1]] : [x, y]));
  };
  return topology.objects.land.geometries
    .flatMap((geometry) => (geometry.type === "Polygon" ? [geometry.arcs] : geometry.arcs))
    .map((polygon) => polygon.map((parts) => simplified(ring(parts), 0.08)).filter((points) => points.length > 4))
    .filter((polygon) => polygon.length)
    .map((polygon) => polygon.map(steps));
}

const bootstrap = unpack("bootstrap");
const icons = unpack("bootstrap-icons");
mkdirSync(join(here, "bootstrap"), { recursive: true });
mkdirSync(join(here, "bootstrap-icons"), { recursive: true });
cpSync(join(bootstrap, "LICENSE"), join(here, "bootstrap/LICENSE"));
cpSync(join(icons, "LICENSE"), join(here, "bootstrap-icons/LICENSE"));
const strip = (css) => css.replace(/\/\*# sourceMappingURL=.*\*\//, "");
writeFileSync(join(here, "bootstrap/bootstrap.min.css"), strip(readFileSync(join(bootstrap, "dist/css/bootstrap.min.css"), "utf8")));
writeFileSync(join(here, "bootstrap/dark-auto.css"), darkAuto(readFileSync(join(bootstrap, "dist/css/bootstrap.css"), "utf8")));
writeFileSync(join(here, "bootstrap-icons/sprite.svg"), sprite(icons));

const [uplot, leaflet, atlas] = ["uplot", "leaflet", "world-atlas"].map(unpack);
for (const name of ["uplot", "leaflet", "world-atlas"]) {
  mkdirSync(join(here, name), { recursive: true });
}
cpSync(join(uplot, "LICENSE"), join(here, "uplot/LICENSE"));
cpSync(join(leaflet, "LICENSE"), join(here, "leaflet/LICENSE"));
cpSync(join(atlas, "LICENSE"), join(here, "world-atlas/LICENSE"));
const withoutMap = (js) => js.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
writeFileSync(join(here, "uplot/uplot.min.js"), readFileSync(join(uplot, "dist/uPlot.iife.min.js"), "utf8"));
writeFileSync(join(here, "uplot/uplot.min.css"), readFileSync(join(uplot, "dist/uPlot.min.css"), "utf8"));
writeFileSync(join(here, "leaflet/leaflet.js"), withoutMap(readFileSync(join(leaflet, "dist/leaflet.js"), "utf8")));
writeFileSync(join(here, "leaflet/leaflet.css"), readFileSync(join(leaflet, "dist/leaflet.css"), "utf8"));
writeFileSync(join(here, "world-atlas/land.json"), JSON.stringify(land(JSON.parse(readFileSync(join(atlas, "land-50m.json"), "utf8")))));

const LICENCES = {
  bootstrap: "MIT", "bootstrap-icons": "MIT", uplot: "MIT", leaflet: "BSD-2-Clause",
  "world-atlas": "ISC; the data is Natural Earth, public domain",
};
const FILES = [
  ["bootstrap", "bootstrap/bootstrap.min.css", "dist/css/bootstrap.min.css without its source map line"],
  ["bootstrap", "bootstrap/dark-auto.css", "the dark rules of dist/css/bootstrap.css under prefers-color-scheme"],
  ["bootstrap-icons", "bootstrap-icons/sprite.svg", `single icons: ${ICONS.join(", ")}`],
  ["uplot", "uplot/uplot.min.js", "dist/uPlot.iife.min.js"],
  ["uplot", "uplot/uplot.min.css", "dist/uPlot.min.css"],
  ["leaflet", "leaflet/leaflet.js", "dist/leaflet.js without its source map line"],
  ["leaflet", "leaflet/leaflet.css", "dist/leaflet.css"],
  ["world-atlas", "world-atlas/land.json", "the land of land-50m.json (Natural Earth), simplified, in hundredths of a degree"],
];
const manifest = FILES.map(([name, file, from]) => ({
  file, package: name, version: VERSIONS[name], licence: LICENCES[name], from,
  sha256: createHash("sha256").update(readFileSync(join(here, file))).digest("hex"),
}));
writeFileSync(join(here, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
rmSync(work, { recursive: true });
