/** Pulls under way, and those that were stopped and can go on: the server keeps what has arrived. */
import { signal } from "../html.js";
import { stream } from "../api/client.js";
import { loadModels } from "./models.js";
import { recall, remember } from "./storage.js";
import { t } from "../text/translate.js";

const WINDOW_MS = 5000;
/** A name that begins so asks a registry without TLS. */
const PLAIN = /^http:\/\//i;

/**
 * @typedef {object} Pull
 * @property {string} name
 * @property {"running" | "stopped" | "failed" | "done"} state
 * @property {string} status in the server's words
 * @property {number} total bytes
 * @property {number} completed bytes
 * @property {number} speed bytes per second
 * @property {[string, number][]} [sources] hosts and how many bytes came from each, most first
 * @property {string} [error]
 * @property {string} [warning]
 */

/** @type {{value: Pull[]}} */
export const pulls = signal(
  recall("pulls", /** @type {string[]} */ ([])).map((name) => ({ ...fresh(name), state: "stopped" })),
);
/** @type {Map<string, AbortController>} */
const aborts = new Map();

/** @param {string} name @returns {Pull} */
function fresh(name) {
  return { name, state: "running", status: "", total: 0, completed: 0, speed: 0 };
}

/**
 * @param {string} name
 * @param {Partial<Pull>} changes
 */
function set(name, changes) {
  const known = pulls.value.some((pull) => pull.name === name);
  const list = known ? pulls.value : [...pulls.value, fresh(name)];
  pulls.value = list.map((pull) => (pull.name === name ? { ...pull, ...changes } : pull));
  remember("pulls", pulls.value.filter((pull) => pull.state !== "done").map((pull) => pull.name));
}

/** Fetches a model, or goes on with it. @param {string} name */
export async function pull(name) {
  if (aborts.has(name)) return;
  const abort = new AbortController();
  aborts.set(name, abort);
  set(name, { state: "running", error: undefined, warning: undefined, speed: 0, status: t("pullBegins") });
  /** @type {Map<string, {total: number, completed: number, sources: Record<string, number>}>} */
  const parts = new Map();
  /** @type {[number, number][]} */
  let times = [];
  try {
    for await (const item of stream("/api/pull", { model: name, insecure: PLAIN.test(name) }, { signal: abort.signal })) {
      if (item.status?.startsWith("warning:")) set(name, { warning: item.status });
      if (item.digest) parts.set(item.digest, { total: item.total ?? 0, completed: item.completed ?? 0, sources: item.sources ?? {} });
      const all = [...parts.values()];
      const completed = all.reduce((sum, part) => sum + part.completed, 0);
      const total = all.reduce((sum, part) => sum + part.total, 0);
      const now = performance.now();
      times = [...times.filter(([time]) => now - time < WINDOW_MS), [now, completed]];
      const span = (now - times[0][0]) / 1000;
      set(name, { status: item.status, total, completed, sources: places(all), speed: span > 0.2 ? (completed - times[0][1]) / span : 0 });
    }
    set(name, { state: "done" });
    await loadModels();
  } catch (error) {
    if (abort.signal.aborted) set(name, { state: "stopped", speed: 0 });
    else set(name, { state: "failed", speed: 0, error: (error instanceof Error && error.message) || t("connectionLost") });
  } finally {
    aborts.delete(name);
  }
}

/** Adds up what came from where. @param {{sources: Record<string, number>}[]} parts @returns {[string, number][]} */
function places(parts) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { sources } of parts) for (const [host, size] of Object.entries(sources)) sums.set(host, (sums.get(host) ?? 0) + size);
  return [...sums].sort((one, other) => other[1] - one[1]);
}

/** @param {string} name */
export const stopPull = (name) => aborts.get(name)?.abort();

/** @param {string} name */
export function forgetPull(name) {
  stopPull(name);
  pulls.value = pulls.value.filter((pull) => pull.name !== name);
  remember("pulls", pulls.value.filter((pull) => pull.state !== "done").map((pull) => pull.name));
}
