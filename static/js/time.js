// Times come in UTC; readers see them in their own zone, in the same form.

const two = (n) => String(n).padStart(2, "0");

/** `2026-11-22 16:48:00` in the reader's zone. */
export function written(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Rewrites every time below `root`. */
export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (!Number.isNaN(at.getTime())) {
      element.textContent = written(at);
    }
  }
}

/** A time element, as the templates make them. */
export function timeElement(iso) {
  const element = document.createElement("time");
  element.dateTime = iso;
  element.title = `${iso.slice(0, 19).replace("T", " ")} UTC`;
  element.textContent = written(new Date(iso));
  return element;
}
