// Plays the stories, two side by side, each with a server of its own, and tells which went as told.
import { readdirSync } from "node:fs";
import { openBrowser } from "./browser.mjs";
import { Place } from "./place.mjs";

const [binary, ...wanted] = process.argv.slice(2);
const AT_ONCE = Number(process.env.AT_ONCE ?? 2);
/** A story that takes longer than this hangs. */
const LONGEST = 300_000;

// The long ones first, so that none is left over at the end.
const LONG = ["weight", "every_page_en", "every_page_zh", "hostile_strings", "restart", "update"];
const all = readdirSync(new URL("stories", import.meta.url)).map((file) => file.replace(/\.mjs$/, ""));
const names = (wanted.length ? wanted : all).sort((a, b) => LONG.includes(b) - LONG.includes(a) || LONG.indexOf(a) - LONG.indexOf(b) || a.localeCompare(b));

async function play(browser, name) {
  const begun = Date.now();
  const steps = [];
  const { default: story, needs = {} } = await import(`./stories/${name}.mjs`);
  const place = new Place(binary, browser, (text) => steps.push(text));
  let timer;
  try {
    await place.begin(needs);
    const hangs = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not over after ${LONGEST / 1000} s`)), LONGEST);
    });
    await Promise.race([story(place), hangs]);
    place.nothingWasComplainedOf();
    console.log(`ok      ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}\n${steps.map((step) => `  - ${step}`).join("\n")}\n${error.stack}`);
    console.log(place.complaints.map((complaint) => `  ! ${complaint}\n`).join(""));
    await place.photograph(name);
    return false;
  } finally {
    clearTimeout(timer);
    await place.end();
  }
}

async function main() {
  const begun = Date.now();
  const queue = [...names];
  const failed = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    const browser = await openBrowser();
    for (let name = queue.shift(); name; name = queue.shift()) {
      if (!(await play(browser, name))) {
        failed.push(name);
      }
    }
    await browser.close();
  }));
  console.log(`${names.length - failed.length} of ${names.length} stories went as told, in ${((Date.now() - begun) / 1000).toFixed(0)} s.`);
  return failed.length === 0;
}

main().then((good) => process.exit(good ? 0 : 1), (error) => {
  console.error(error);
  process.exit(1);
});
