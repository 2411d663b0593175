// Pages that move: one stream of events, of which each page takes what concerns what it shows.
//
// Rows that are on the page are changed in place by the events themselves. None is taken away under the reader's eyes,
// and none makes room for another: where all that is shown still is, what has come is put beside it. What is counted (figures, bars, lists) is fetched anew, at most once in a while, and put in
// where the ids begin with `live-`. All words come from the page's own templates.
import { localise, timeElement } from "./time.js";
import { forget, words as transferWords } from "./transfer.js";

const page = document.body.dataset.live;
const banner = document.querySelector("[data-offline]");
const signedOut = document.querySelector("[data-signed-out]");
const words = document.querySelector("[data-words]");

/** How often each page fetches its counted parts at most, milliseconds. */
const REFRESH = { overview: 3000, rollouts: 3000, rollout: 2000, device: 2000, fleet: 10000, enrol: 1000 };
/** A hidden page gives its connection back after this: browsers allow six to one server. */
const HIDDEN_FOR = 10000;
/** The states in which an assignment says nothing about what the device should run. */
const AIMLESS = ["cancelled", "superseded", "excluded"];

let source = null;
let refreshTimer = null;
let lastRefresh = 0;
let hiddenTimer = null;
let lostTimer = null;

const subject = document.querySelector("[data-device], [data-rollout]")?.dataset ?? {};
const own = { device: Number(subject.device), rollout: Number(subject.rollout) };

const word = (name) => words?.querySelector(`[data-word="${CSS.escape(name)}"]`)?.content.cloneNode(true);
const row = (key) => document.querySelector(`tr[data-key="${key}"]`);
const cell = (line, module, part) =>
  line.querySelector(`[data-cell="${CSS.escape(module)}"][data-part="${part}"]`);

function put(place, content) {
  if (place && content) {
    place.replaceChildren(content);
  }
}

// ---- rows -------------------------------------------------------------------------------------------------------

function setVersion(place, version) {
  const span = document.createElement("span");
  span.className = version ? "version" : "none";
  span.textContent = version ?? "–";
  const target = place.querySelector("[data-target]");
  const aim = target?.dataset.version ?? target?.textContent.replace(/^\s*→\s*/, "");
  place.replaceChildren(span, ...(target && aim !== version ? [target] : []));
}

function setTarget(place, target) {
  place.querySelector("[data-target]")?.remove();
  const version = place.querySelector(".version")?.textContent;
  if (target && target !== version) {
    const span = document.createElement("span");
    span.className = "target";
    span.dataset.target = "";
    span.dataset.version = target;
    span.textContent = ` → ${target}`;
    place.append(span);
  }
}

const onEvent = {
  device(event) {
    if (document.querySelector("[data-first]")) {
      location.reload();
      return;
    }
    const line = row(event.key_id);
    if (line) {
      put(line.querySelector("[data-online]"), word(event.online ? "online" : "offline"));
      for (const place of event.modules ? line.querySelectorAll('[data-part="version"]') : []) {
        setVersion(place, event.modules[place.dataset.cell]);
      }
    }
    if (page === "overview" || page === "fleet" || page === "enrol" || event.key_id === own.device) {
      refreshSoon();
    }
  },
  report(event) {
    const place = row(event.key_id)?.querySelector("[data-reported]");
    put(place, place && timeElement(event.reported_at));
    if (event.key_id === own.device) {
      refreshSoon();
    }
  },
  assignment(event) {
    const ours = page !== "rollout" || event.rollout_id === own.rollout;
    const line = ours && row(event.key_id);
    const state = line && cell(line, event.module, "state");
    if (state) {
      put(state.querySelector("[data-state]"), word(event.state));
      if (event.state !== "downloading") {
        state.querySelector("[data-percent]").textContent = "";
        forget(`${event.key_id} ${event.module}`);
      }
      if (!event.reason) {
        state.querySelector("[data-reason]").textContent = "";
      }
      setTarget(cell(line, event.module, "version"), AIMLESS.includes(event.state) ? null : event.target);
    }
    if (page === "fleet" ? line && event.reason : ours && (page !== "device" || event.key_id === own.device)) {
      // Of a reason, the page has the words.
      refreshSoon(Boolean(line && event.reason));
    }
  },
  transfer(event) {
    const line = row(event.key_id);
    const state = line
      ? cell(line, event.module, "state")
      : event.key_id === own.device && document.querySelector(`tr[data-module="${CSS.escape(event.module)}"]`);
    if (state && state.querySelector(".s-downloading")) {
      const left = state.closest("[data-left]")?.dataset.left;
      const name = `${event.key_id} ${event.module}`;
      state.querySelector("[data-percent]").textContent = transferWords(name, event.received, event.size, left);
    }
  },
  rollout(event) {
    if (page !== "rollout" || event.rollout_id === own.rollout) {
      refreshSoon();
    }
  },
  /** Something moved that no row here shows. */
  others() {
    // A page that waits for the first terminal is another one when it has come.
    if (document.querySelector("[data-first]")) {
      location.reload();
    } else {
      refreshSoon();
    }
  },
  reload() {
    refreshSoon(true);
  },
};

// ---- what is counted --------------------------------------------------------------------------------------------

/** Only an update's page can be read without its rows. */
const WHOLE = page !== "rollout";

/** Whether the rows are to be read anew as well as what is counted. */
let wantsRows = WHOLE;

/** Whether something happened while the page was being read. */
let again = false;

/** When something happened last. */
let moved = 0;

function refreshSoon(rows = false) {
  moved = Date.now();
  wantsRows ||= rows;
  again = refreshTimer !== null;
  waitForRefresh();
}

function waitForRefresh() {
  if (refreshTimer === null) {
    const wait = Math.max(200, lastRefresh + REFRESH[page] - Date.now());
    refreshTimer = setTimeout(refresh, wait);
  }
}

function takeOver(fresh) {
  for (const part of document.querySelectorAll('[id^="live-"]')) {
    const next = fresh.getElementById(part.id);
    if (next && !part.contains(document.activeElement) && next.innerHTML !== part.dataset.was) {
      const was = next.innerHTML;
      localise(next);
      part.replaceChildren(...next.childNodes);
      part.dataset.was = was;
    }
  }
  const rows = [...fresh.querySelectorAll("tr[data-key]")];
  takeIn(rows);
  for (const next of rows) {
    const line = row(next.dataset.key);
    if (line && !line.contains(document.activeElement)) {
      localise(next);
      // What the reader ticked stays ticked.
      const ticked = line.querySelector('input[type="checkbox"]')?.checked ?? false;
      line.replaceChildren(...next.childNodes);
      const box = line.querySelector('input[type="checkbox"]');
      if (box) {
        box.checked = ticked;
      }
    }
  }
}

/** Puts rows that have come where they belong, if that takes none away. */
function takeIn(rows) {
  const keys = new Set(rows.map((next) => next.dataset.key));
  const shown = [...document.querySelectorAll("tr[data-key]")];
  if (shown.length === 0 || !shown.every((line) => keys.has(line.dataset.key)) || shown.length === rows.length) {
    return;
  }
  let before = null;
  for (const next of rows) {
    if (!row(next.dataset.key)) {
      const line = next.cloneNode(true);
      localise(line);
      if (before) {
        before.after(line);
      } else {
        shown[0].parentElement.prepend(line);
      }
    }
    before = row(next.dataset.key);
  }
  // The stream tells of the rows that it was asked for.
  connect();
}

async function refresh() {
  const asked = Date.now();
  lastRefresh = asked;
  try {
    // The answer to a form stands under an address that only takes forms.
    const here = new URL(document.body.dataset.here, location.origin);
    const address = here.pathname === location.pathname ? new URL(location.href) : here;
    if (!wantsRows) {
      address.searchParams.set("part", "counts");
    }
    wantsRows = WHOLE;
    again = false;
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    if (response.redirected && new URL(response.url).pathname === "/login") {
      over();
    } else if (response.ok) {
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      takeOver(fresh);
      // A large fleet is not counted for every reader: what happened last may not be in the count yet.
      const ago = Number(fresh.querySelector("[data-counted-ago]")?.dataset.countedAgo ?? 0);
      again ||= asked - ago < moved;
    }
  } catch {
    // The stream notices too, and says so.
  } finally {
    lastRefresh = Date.now();
    refreshTimer = null;
    if (again) {
      waitForRefresh();
    }
  }
}

// ---- the stream -------------------------------------------------------------------------------------------------

function lost() {
  lostTimer ??= setTimeout(() => { banner.hidden = false; }, 3000);
  if (source.readyState === EventSource.CLOSED) {
    setTimeout(connect, 5000 + Math.random() * 10000);
    // The server answers, and not with a stream: the reader may have been signed out.
    refreshSoon();
  }
}

/** The session has ended. What is on the page stays, also what was typed; a form that is sent is kept. */
function over() {
  clearTimeout(lostTimer);
  source?.close();
  banner.hidden = true;
  signedOut.hidden = false;
}

function found() {
  clearTimeout(lostTimer);
  lostTimer = null;
  banner.hidden = true;
  // Whatever happened since the page was written, or since the stream was lost, has not been told.
  refreshSoon(true);
}

/** A page about one device or one rollout asks for nothing else, and one with rows for what they show. */
function stream() {
  const about = page === "device" ? { device: subject.deviceId } : page === "rollout" ? { rollout: subject.rollout } : {};
  const keys = [...document.querySelectorAll("tr[data-key]")].map((line) => line.dataset.key);
  if (page !== "device") {
    // A page without rows asks for those of nobody: of everything else it hears only that it moved.
    about.rows = keys.join(",") || "0";
  }
  return `/api/v1/live?${new URLSearchParams(about)}`;
}

function connect() {
  if ((document.hidden && source === null) || !signedOut.hidden) {
    return;
  }
  source?.close();
  source = new EventSource(stream());
  source.addEventListener("open", found);
  source.addEventListener("error", lost);
  for (const [name, handle] of Object.entries(onEvent)) {
    source.addEventListener(name, (message) => {
      const data = message.data ? JSON.parse(message.data) : {};
      (Array.isArray(data) ? data : [data]).forEach(handle);
    });
  }
}

function visibility() {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => { source?.close(); source = null; }, HIDDEN_FOR);
  } else if (source === null) {
    connect();
  }
}

if (page) {
  connect();
  document.addEventListener("visibilitychange", visibility);
  addEventListener("pagehide", () => source?.close());
}
