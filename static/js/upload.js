// The upload form with a progress bar: sends to the API what the plain form would send to the page, and keeps
// what was typed when it is refused.

const form = document.querySelector("[data-upload]");
const part = (name) => form.querySelector(`[data-${name}]`);

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let n = bytes;
  while (n >= 1024 && unit + 1 < units.length) {
    n /= 1024;
    unit += 1;
  }
  return `${n.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

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
  part("progress").hidden = !is;
  part("submit").disabled = is;
}

function showProgress(begun, event) {
  const bar = part("progress").querySelector("progress");
  bar.value = event.total ? Math.floor((event.loaded / event.total) * 1000) : 0;
  part("sent").textContent = `${size(event.loaded)} / ${size(event.total)}`;
  const seconds = (performance.now() - begun) / 1000;
  part("rate").textContent = seconds > 0.5 ? `${size(event.loaded / seconds)}/s` : "";
}

function finished(request) {
  busy(false);
  if (request.status === 201 || request.status === 200) {
    location.assign(`/packages?done=${request.status === 201 ? "package_added" : "package_same"}`);
    return;
  }
  let error = {};
  try {
    error = JSON.parse(request.responseText).error ?? {};
  } catch {
    // Not from the API: a proxy's page.
  }
  const fields = Object.entries(error.fields ?? {});
  const all = fields.map(([field, message]) => refuse(field, message));
  if (fields.length === 0 || all.includes(false)) {
    problem(error.message ?? part("problem").dataset.lost);
  }
  form.querySelector("[aria-invalid]")?.focus();
}

function send() {
  clearErrors();
  const data = new FormData(form);
  const csrf = data.get("csrf");
  data.delete("csrf");
  if (data.get("file").size > Number(form.dataset.largest)) {
    refuse("file", part("problem").dataset.large);
    return;
  }
  const request = new XMLHttpRequest();
  const begun = performance.now();
  request.upload.addEventListener("progress", (event) => showProgress(begun, event));
  request.addEventListener("load", () => finished(request));
  request.addEventListener("error", () => { busy(false); problem(part("problem").dataset.lost); });
  request.addEventListener("abort", () => { busy(false); problem(part("problem").dataset.stopped); });
  part("abort").onclick = () => request.abort();
  busy(true);
  request.open("POST", "/api/v1/packages");
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.setRequestHeader("Accept", "application/json");
  request.send(data);
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
