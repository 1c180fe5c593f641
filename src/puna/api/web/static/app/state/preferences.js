/** Theme, language, key and what else is the user's choice for all conversations. */
import { effect, signal } from "../html.js";
import { recall, remember } from "./storage.js";

/** @typedef {"system" | "light" | "dark"} Theme */
/** @typedef {"en" | "zh"} Language */

const kept = recall("preferences", {});
const browsers = /^zh\b/i.test(navigator.language) ? "zh" : "en";

/** @type {{value: Theme}} */
export const theme = signal(kept.theme ?? "system");
/** The language chosen here; "" is the browser's. @type {{value: Language | ""}} */
export const chosenLanguage = signal(kept.language ?? "");
/** The key or login (`user:password`) that requests are sent with, "" for none. It stays in this browser. */
export const apiKey = signal(recall("key", ""));
/** Whether the sidebar is open on a narrow screen. */
export const sidebarOpen = signal(false);

/** @returns {Language} */
export function language() {
  return chosenLanguage.value || browsers;
}

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
  root.lang = language() === "zh" ? "zh-CN" : "en";
  remember("preferences", { theme: theme.value, language: chosenLanguage.value });
});

effect(() => remember("key", apiKey.value));
