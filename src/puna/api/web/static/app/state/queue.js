/** The place of our own requests in the server's queue, asked for only while one waits. */
import { signal } from "../html.js";
import { get } from "../api/client.js";

const FIRST_MS = 250;
const EVERY_MS = 700;

/**
 * What a waiting answer waits for, by its message: a place in the queue, a load, or the reading of its prompt.
 * @type {{value: Record<string, {kind: "queue" | "load" | "reading", position?: number,
 *   wait?: number | null, seconds?: number}>}}
 */
export const waits = signal({});

/**
 * Watches one request until the function that is returned is called.
 * @param {string} id of the request
 * @param {string} message whose answer it is
 */
export function watchQueue(id, message) {
  let over = false;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const look = async () => {
    try {
      const queue = await get("/api/queue");
      if (over) return;
      waits.value = { ...waits.value, [message]: waitOf(queue, id) };
    } catch {
      // the request itself tells what is wrong
    }
    if (!over) timer = setTimeout(look, EVERY_MS);
  };
  timer = setTimeout(look, FIRST_MS);
  return () => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    const { [message]: _, ...rest } = waits.value;
    waits.value = rest;
  };
}

/**
 * @param {any} queue
 * @param {string} id
 */
function waitOf(queue, id) {
  const mine = queue.requests.find((/** @type {any} */ request) => request.id === id);
  if (mine?.state !== "waiting") return { kind: /** @type {const} */ ("reading"), seconds: mine?.seconds };
  const load = queue.loads.find((/** @type {any} */ item) => item.model === mine.model);
  if (load) return { kind: /** @type {const} */ ("load"), seconds: load.seconds };
  return {
    kind: /** @type {const} */ ("queue"),
    position: mine.position,
    wait: mine.estimated_wait,
  };
}
