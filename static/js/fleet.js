// The boxes of the fleet table: one that ticks all of the page, and a choice that follows what is ticked.

const all = document.querySelector("[data-tick-all]");
const boxes = () => [...document.querySelectorAll('tbody input[name="id"]')];

if (all) {
  all.hidden = false;
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
}
