// How a download goes: percent, rate, time left. The rate is smoothed, so that the numbers can be read.
import { locale } from "./time.js";

/** Weight of the newest measurement. */
const NEWEST = 0.3;
/** What has not moved for this long is measured anew, milliseconds. */
const STALE = 15000;

const courses = new Map();
const seconds = new Intl.NumberFormat(locale, { style: "unit", unit: "second", maximumFractionDigits: 0 });
const minutes = new Intl.NumberFormat(locale, { style: "unit", unit: "minute", maximumFractionDigits: 0 });
const hours = new Intl.NumberFormat(locale, { style: "unit", unit: "hour", maximumFractionDigits: 1 });

/** `4.0 MiB` */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let n = bytes;
  while (n >= 1024 && unit + 1 < units.length) {
    n /= 1024;
    unit += 1;
  }
  return `${n.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

/** `12 sec`, as the page's language writes it. */
export function span(s) {
  return s < 90 ? seconds.format(Math.ceil(s)) : s < 5400 ? minutes.format(Math.ceil(s / 60)) : hours.format(s / 3600);
}

/** Bytes a second of the course called `name`, once it can be known. */
export function rate(name, received, now = performance.now()) {
  const before = courses.get(name);
  if (!before || received < before.received || now - before.now > STALE) {
    courses.set(name, { received, now, rate: null });
    return null;
  }
  const passed = (now - before.now) / 1000;
  if (passed < 0.2) {
    return before.rate;
  }
  const newest = (received - before.received) / passed;
  const smooth = before.rate === null ? newest : before.rate + NEWEST * (newest - before.rate);
  courses.set(name, { received, now, rate: smooth });
  return smooth;
}

/** `45% · 1.2 MiB/s · 12 sec left`; `left` is the page's word with `%` for the time. */
export function words(name, received, whole, left) {
  if (!whole) {
    return "";
  }
  const parts = [`${Math.floor((Math.min(received, whole) / whole) * 100)}%`];
  const speed = rate(name, received);
  if (speed > 0 && left) {
    parts.push(`${size(speed)}/s`, left.replace("%", span((whole - received) / speed)));
  }
  return parts.join(" · ");
}

export const forget = (name) => courses.delete(name);
