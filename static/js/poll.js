// Parts of a page that are read anew every few seconds while the page is looked at.
import { localise } from "./time.js";

const part = document.querySelector("[data-poll]");
const banner = document.querySelector("[data-offline]");
const signedOut = document.querySelector("[data-signed-out]");

async function read() {
  if (document.hidden) {
    return;
  }
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.redirected && new URL(response.url).pathname === "/login") {
      signedOut.hidden = false;
      return;
    }
    banner.hidden = response.ok;
    const fresh = response.ok && new DOMParser().parseFromString(await response.text(), "text/html").getElementById(part.id);
    if (fresh && !part.contains(document.activeElement)) {
      localise(fresh);
      part.replaceChildren(...fresh.childNodes);
    }
  } catch {
    banner.hidden = false;
  }
}

if (part) {
  setInterval(read, Number(part.dataset.poll) * 1000);
}
