// The theme switch without a reload, so that a half-filled form stays. The server keeps the same cookie.

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const ICON = { auto: "circle-half", light: "sun", dark: "moon-stars" };

const form = document.querySelector("[data-theme-form]");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const theme = button.value;
  if (theme === "auto") {
    delete document.documentElement.dataset.bsTheme;
  } else {
    document.documentElement.dataset.bsTheme = theme;
  }
  const age = theme === "auto" ? 0 : 31536000;
  document.cookie = `fleetward_theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax`;
  button.value = NEXT[theme];
  const use = button.querySelector("use");
  use.setAttribute("href", `${use.getAttribute("href").split("#")[0]}#${ICON[theme]}`);
});
