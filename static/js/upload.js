// The upload form with files that can be dropped, many at once, with progress, rate and checksum: each goes to the
// API as the plain form would go to the page, and what was typed stays when it is refused.
import { size, words } from "./transfer.js";

/** A file up to this size is hashed here too, so that what arrived can be compared; bytes. */
const HASHED = 128 * 1024 * 1024;
/** `app1-1.3.0.tar.gz` is version 1.3.0 of app1. */
const NAMED = /^(.+?)[-_ ]v?(\d[\w.+~-]*)$/;
const EXTENSIONS = /(\.(tar|gz|tgz|zst|xz|bz2|zip|bin|deb|ipk|img|swu|raucb))+$/i;

const form = document.querySelector("[data-upload]");
const part = (name) => form.querySelector(`[data-${name}]`);
const say = (name) => form.dataset[name];
let queue = [];
let running = null;

function clearErrors() {
  part("problem").hidden = true;
  for (const place of form.querySelectorAll("[data-error]")) {
    place.textContent = "";
    form.elements[place.dataset.error]?.removeAttribute("aria-invalid");
  }
}

function refuse(field, message) {
  const place = form.querySelector(`[data-error="${CSS.escape(field)}"]`);
  if (!place) {
    return false;
  }
  const line = document.createElement("div");
  line.className = "invalid text";
  line.id = `${field}-error`;
  line.textContent = message;
  place.replaceChildren(line);
  form.elements[field]?.setAttribute("aria-invalid", "true");
  return true;
}

function problem(text) {
  const box = part("problem");
  box.textContent = text;
  box.hidden = false;
}

function busy(is) {
  part("submit").disabled = is;
  part("abort").hidden = !is;
  form.elements.file.disabled = is;
}

/** The module and version that a file's name tells. */
export function guess(fileName) {
  const [, name, version] = fileName.replace(EXTENSIONS, "").match(NAMED) ?? [];
  return { name: name ?? "", version: version ?? "" };
}

// ---- the list of files --------------------------------------------------------------------------------------------

function listed(file) {
  const row = part("queue-row").content.firstElementChild.cloneNode(true);
  const told = guess(file.name);
  row.querySelector("[data-file-name]").textContent = file.name;
  row.querySelector("[data-file-size]").textContent = size(file.size);
  row.querySelector("[data-row-name]").value = told.name || form.elements.name.value;
  row.querySelector("[data-row-version]").value = told.version;
  row.querySelector("[data-remove]").addEventListener("click", () => choose(queue.filter((item) => item.row !== row).map((item) => item.file)));
  return { file, row, done: false };
}

/** One file is described by the form's own fields, several each by its line. */
function choose(files) {
  const many = files.length > 1;
  queue = files.map((file) => queue.find((item) => item.file === file) ?? listed(file));
  part("queue").replaceChildren(...queue.map((item) => item.row));
  part("queue").hidden = !many;
  part("single").hidden = many;
  form.elements.name.required = !many;
  form.elements.version.required = !many;
  const kept = new DataTransfer();
  files.forEach((file) => kept.items.add(file));
  form.elements.file.files = kept.files;
  if (files.length === 1) {
    const told = guess(files[0].name);
    for (const field of ["name", "version"]) {
      if (!form.elements[field].value) {
        form.elements[field].value = told[field];
      }
    }
  }
}

// ---- sending ------------------------------------------------------------------------------------------------------

async function sha256(file) {
  if (!globalThis.crypto?.subtle || file.size > HASHED) {
    return null;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function describe(item, many) {
  const data = new FormData();
  data.set("name", many ? item.row.querySelector("[data-row-name]").value : form.elements.name.value);
  data.set("version", many ? item.row.querySelector("[data-row-version]").value : form.elements.version.value);
  data.set("notes", form.elements.notes.value);
  data.set("requires", form.elements.requires.value);
  if (form.elements.manifest.files.length > 0 && !many) {
    data.set("manifest", form.elements.manifest.files[0]);
  }
  data.set("file", item.file);
  return data;
}

function answer(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    // Not from the API: a proxy's page.
    return {};
  }
}

/** Sends one file; `{ status, body }`, or `{ failed }` with the word for why. */
function post(data, name, progress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    running = request;
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.addEventListener("load", () => resolve({ status: request.status, body: answer(request) }));
    request.addEventListener("error", () => resolve({ failed: "lost" }));
    request.addEventListener("abort", () => resolve({ failed: "stopped" }));
    request.open("POST", "/api/v1/packages");
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf.value);
    request.setRequestHeader("Accept", "application/json");
    request.send(data);
  });
}

/** Where an item's progress and outcome are shown. */
function place(item, many) {
  const root = many ? item.row : part("progress");
  root.hidden = false;
  return { bar: root.querySelector("progress"), status: root.querySelector("[data-status]") };
}

async function send(item, many) {
  const { bar, status } = place(item, many);
  const hash = sha256(item.file).catch(() => null);
  bar.hidden = false;
  const outcome = await post(describe(item, many), item.file.name, (loaded, total) => {
    bar.value = total ? Math.floor((loaded / total) * 1000) : 0;
    status.textContent = `${size(loaded)} / ${size(total)} · ${words(item.file.name, loaded, total, say("left"))}`;
  });
  bar.hidden = many;
  if (outcome.failed) {
    return { error: say(outcome.failed), stopped: outcome.failed === "stopped" };
  }
  if (outcome.status !== 201 && outcome.status !== 200) {
    return { error: outcome.body.error?.message ?? say("lost"), fields: outcome.body.error?.fields ?? {} };
  }
  const own = await hash;
  if (own && own !== outcome.body.sha256) {
    return { error: say("mismatch") };
  }
  item.done = true;
  status.textContent = `${say(outcome.status === 201 ? "done" : "same")} · sha256 ${outcome.body.sha256.slice(0, 16)}… ${own ? say("matches") : ""}`;
  return { created: outcome.status === 201 };
}

async function sendOne(item) {
  const outcome = await send(item, false);
  if (!outcome.error) {
    location.assign(`/packages?done=${outcome.created ? "package_added" : "package_same"}`);
    return;
  }
  part("progress").hidden = true;
  const fields = Object.entries(outcome.fields ?? {});
  const all = fields.map(([field, message]) => refuse(field, message));
  if (fields.length === 0 || all.includes(false)) {
    problem(outcome.error);
  }
  form.querySelector("[aria-invalid]")?.focus();
}

async function sendAll() {
  for (const item of queue.filter((item) => !item.done)) {
    const outcome = await send(item, true);
    if (outcome.error) {
      const status = item.row.querySelector("[data-status]");
      status.textContent = outcome.error;
      status.classList.add("invalid");
      if (outcome.stopped) {
        return;
      }
    } else {
      item.row.querySelector("[data-status]").classList.remove("invalid");
      item.row.querySelectorAll("input, [data-remove]").forEach((element) => { element.disabled = true; });
    }
  }
  part("finished").hidden = !queue.every((item) => item.done);
}

async function submit() {
  clearErrors();
  if (queue.some((item) => item.file.size > Number(form.dataset.largest))) {
    refuse("file", say("large"));
    return;
  }
  busy(true);
  await (queue.length > 1 ? sendAll() : sendOne(queue[0]));
  running = null;
  busy(false);
}

// ---- choosing -----------------------------------------------------------------------------------------------------

function wire() {
  const input = form.elements.file;
  input.multiple = true;
  part("drop-help").hidden = false;
  input.addEventListener("change", () => choose([...input.files]));
  part("abort").addEventListener("click", () => running?.abort());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (queue.length === 0) {
      choose([...input.files]);
    }
    submit();
  });
  const drop = part("drop");
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => choose([...queue.map((item) => item.file), ...event.dataTransfer.files]));
}

if (form) {
  wire();
}
