// Whoever writes into a field that belongs to a choice has chosen it.

for (const field of document.querySelectorAll("[data-for]")) {
  field.addEventListener("input", () => {
    document.getElementById(field.dataset.for).checked = true;
  });
}
