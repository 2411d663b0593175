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
const VERSIONS = { bootstrap: "5.3.9", "bootstrap-icons": "1.13.1" };
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

const FILES = [
  ["bootstrap", "bootstrap/bootstrap.min.css", "dist/css/bootstrap.min.css without its source map line"],
  ["bootstrap", "bootstrap/dark-auto.css", "the dark rules of dist/css/bootstrap.css under prefers-color-scheme"],
  ["bootstrap-icons", "bootstrap-icons/sprite.svg", `single icons: ${ICONS.join(", ")}`],
];
const manifest = FILES.map(([name, file, from]) => ({
  file, package: name, version: VERSIONS[name], licence: "MIT", from,
  sha256: createHash("sha256").update(readFileSync(join(here, file))).digest("hex"),
}));
writeFileSync(join(here, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
rmSync(work, { recursive: true });
