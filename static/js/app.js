// What every page loads. Each module finds its own elements and does nothing on pages without them; every page
// works without any of this.
import "./theme.js";
import "./copy.js";
import "./choose.js";
import "./count.js";
import "./fleet.js";
import "./upload.js";
import { localise } from "./time.js";
import "./live.js";
import "./poll.js";

localise(document);

// What few pages have is fetched by those alone.
if (document.querySelector("[data-charts]")) {
  import("./charts.js");
}
if (document.querySelector("[data-map]")) {
  import("./map.js");
}
