// Every page, in Chinese.
import { everyPage } from "../every_page.mjs";

export default (place) => everyPage(place, "zh-CN");
