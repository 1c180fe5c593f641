/** Looks at the server every other second while somebody looks at the page, and keeps what it saw for the plots. */
import { signal } from "../html.js";
import { ApiError, get } from "../api/client.js";
import { t } from "../text/translate.js";

const FORBIDDEN = 403;
const EVERY_MS = 2000;
const KEPT = 300;

/**
 * @typedef {object} Look
 * @property {any[]} loaded models in memory
 * @property {any} queue
 * @property {any} machine null, as the next two, where the key may not ask
 * @property {any[] | null} requests that are over, the latest first
 * @property {any} sessions
 */

/** @type {{value: Look | null}} */
export const look = signal(null);
export const problem = signal("");
/** One row for each plotted value, one column for each look; the first row is the time in seconds. */
export const history = signal(/** @type {Record<string, (number | null)[]>} */ ({ time: [] }));

/** Looks until the function that is returned is called. */
export function watch() {
  let over = false;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  let round = 0;
  const again = async () => {
    if (!document.hidden || !look.value) {
      try {
        await once(round++);
        problem.value = "";
      } catch (error) {
        problem.value = (error instanceof Error && error.message) || t("unreachable");
      }
    }
    if (!over) timer = setTimeout(again, EVERY_MS);
  };
  again();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}

/** @param {number} round the sessions change rarely: they are asked for in every fifth */
async function once(round) {
  const [ps, queue, machine, over, sessions] = await Promise.all([
    get("/api/ps"),
    get("/api/queue"),
    allowed("/api/puna/machine"),
    allowed("/api/puna/requests"),
    round % 5 ? look.value?.sessions : allowed("/api/puna/sessions"),
  ]);
  look.value = { loaded: ps.models, queue, machine, requests: over && over.requests, sessions };
  remember(look.value);
}

/** What a route tells, null where the key may not ask it. @param {string} path */
async function allowed(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === FORBIDDEN) return null;
    throw error;
  }
}

/** @param {Look} seen */
function remember({ loaded, queue, machine, requests }) {
  const { total, available } = machine?.memory ?? {};
  const cards = machine?.cards.reduce((sum, card) => sum + card.total - card.free, 0);
  const recent = (requests ?? []).filter((request) => request.generated > 1 && request.duration > request.first);
  const values = {
    time: Date.now() / 1000,
    used: machine && (total - available) / 1e9,
    models: loaded.reduce((sum, model) => sum + model.size, 0) / 1e9,
    cards: machine?.cards.length ? cards / 1e9 : null,
    running: queue.running,
    waiting: queue.waiting,
    speed: recent.length ? speedOf(recent[0]) : null,
    first: recent.length ? recent[0].first / 1e9 : null,
  };
  history.value = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, [...(history.value[name] ?? []), value].slice(-KEPT)]),
  );
}

/** Tokens per second of a request that is over. @param {any} request */
export const speedOf = (request) => ((request.generated - 1) * 1e9) / (request.duration - request.first);
