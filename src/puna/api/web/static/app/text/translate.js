/** The page's words in the user's language. */
import { language } from "../state/preferences.js";
import { english } from "./english.js";
import { chinese } from "./chinese.js";

const TEXTS = { en: english, zh: chinese };

/**
 * @param {keyof typeof english} key
 * @param {Record<string, string | number>} [values] what stands for `{name}` in the text
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = TEXTS[language()][key] ?? english[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
