// Every page, in English.
import { everyPage } from "../every_page.mjs";

export default (place) => everyPage(place, "en-GB");
