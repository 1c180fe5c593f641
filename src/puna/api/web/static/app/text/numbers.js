/** Numbers, sizes and times as people read them. */
import { language } from "../state/preferences.js";
import { t } from "./translate.js";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * @param {number} value
 * @param {number} [digits] after the point
 */
export function number(value, digits = 0) {
  return value.toLocaleString(language(), { maximumFractionDigits: digits });
}

/** @param {number} bytes */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${number(value, value < 10 && unit > 1 ? 1 : 0)} ${UNITS[unit]}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return t("milliseconds", { n: number(Math.round(seconds * 1000)) });
  if (seconds < 60) return t("seconds", { n: number(seconds, seconds < 10 ? 1 : 0) });
  if (seconds < 3600) return t("minutes", { n: Math.floor(seconds / 60), s: Math.round(seconds % 60) });
  return t("hours", { n: Math.floor(seconds / 3600), m: Math.round((seconds % 3600) / 60) });
}

/** @param {number} part of 1 */
export const percent = (part) => part.toLocaleString(language(), { style: "percent", maximumFractionDigits: 1 });

/** @param {number} milliseconds since 1970 */
export function moment(milliseconds) {
  const date = new Date(milliseconds);
  const today = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const how = today ? { hour: "2-digit", minute: "2-digit" } : { year: "numeric", month: "short", day: "numeric" };
  return date.toLocaleString(language(), how);
}
