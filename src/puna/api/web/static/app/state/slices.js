/** Work in slices, so that the page answers to the user between them: never more than a few milliseconds at a time. */

const BUDGET = 10;
/** @type {(() => boolean)[]} */
const waiting = [];
let planned = false;

/** @param {() => void} work */
const soon = (work) => {
  const scheduler = /** @type {any} */ (globalThis).scheduler;
  if (scheduler?.postTask) scheduler.postTask(work, { priority: "user-visible" });
  else setTimeout(work, 0);
};

/**
 * Does `step` again and again until it returns false; what was asked for last goes first.
 * @param {() => boolean} step
 */
export function inSlices(step) {
  const known = waiting.indexOf(step);
  if (known >= 0) waiting.splice(known, 1);
  waiting.push(step);
  plan();
}

/** @param {() => boolean} step */
export function forget(step) {
  const known = waiting.indexOf(step);
  if (known >= 0) waiting.splice(known, 1);
}

function plan() {
  if (planned || !waiting.length) return;
  planned = true;
  soon(run);
}

function run() {
  planned = false;
  const until = performance.now() + BUDGET;
  while (waiting.length && performance.now() < until) {
    const step = waiting[waiting.length - 1];
    if (!step()) forget(step);
  }
  plan();
}
