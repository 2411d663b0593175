// Times come in UTC; readers see them in their own zone, as the page's language writes them.

const language = document.documentElement.lang;
/** The reader's own kind of the page's language, `en-GB` for `en`, where there is one. */
export const locale = navigator.languages.find((own) => own.split("-")[0] === language.split("-")[0]) ?? language;

const form = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });

/** `22 Nov 2026, 16:48:00` or `2026年11月22日 16:48:00`, in the reader's zone. */
export const written = (at) => form.format(at);

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
