// How many terminals fit what is being typed: the form's own answer, asked for while the reader types.

/** After the last key, milliseconds. */
const WAIT = 350;
const PARTS = ["count-fitting", "count-fault"];

const button = document.querySelector("button[data-counts]");
const form = button?.form;
let timer = null;
let asked = 0;

async function count() {
  const mine = ++asked;
  // As the button would: it only counts.
  const body = new URLSearchParams(new FormData(form, button));
  body.set("part", "counts");
  try {
    const response = await fetch(button.formAction, { method: "POST", body, headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    // A later question has overtaken this one.
    if (mine === asked && response.ok) {
      for (const id of PARTS) {
        const next = fresh.getElementById(id);
        if (next) {
          document.getElementById(id)?.replaceChildren(...next.childNodes);
        }
      }
    }
  } catch {
    // The button still asks.
  }
}

for (const name of ["input", "change"]) {
  form?.addEventListener(name, (event) => {
    if (event.target.closest("fieldset")?.querySelector("#count-fitting")) {
      clearTimeout(timer);
      timer = setTimeout(count, WAIT);
    }
  });
}
