// Pictures of every page, for looking at: each page light, dark, narrow and in Chinese.
import { mkdirSync } from "node:fs";
import { openBrowser } from "./browser.mjs";
import { fill } from "./fleet.mjs";
import { Place } from "./place.mjs";

const [binary, folder, ...wanted] = process.argv.slice(2);
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  narrow: { colorScheme: "light", viewport: { width: 360, height: 740 } },
  zh: { colorScheme: "light", locale: "zh-CN" },
};

async function main() {
  mkdirSync(folder, { recursive: true });
  const browser = await openBrowser();
  const place = new Place(binary, browser, () => {});
  try {
    await place.begin({});
    const pages = { ...(await fill(place, { terminals: 24 })) };
    for (const [kind, options] of Object.entries(LOOKS)) {
      const [inside, outside] = [await place.person("anna", options), await place.stranger(options)];
      const all = [...Object.entries(pages).map((entry) => [inside, ...entry]), [outside, "login", "/login"]];
      for (const [page, name, path] of all.filter(([, name]) => wanted.length === 0 || wanted.includes(name))) {
        await place.open(page, path);
        await page.waitForTimeout(300);
        await page.screenshot({ path: `${folder}/${name}-${kind}.png`, fullPage: true });
        console.log(`${folder}/${name}-${kind}.png`);
      }
    }
    place.complaints.forEach((complaint) => console.error(complaint));
  } finally {
    await place.end();
    await browser.close();
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
