/** Short messages at the edge of the page, read out by screen readers. */
import { signal } from "../html.js";

const SECONDS = 8;
let last = 0;

/** @type {{value: {id: number, text: string, bad: boolean}[]}} */
export const notices = signal([]);

/**
 * @param {string} text
 * @param {{bad?: boolean}} [how]
 */
export function notify(text, { bad = false } = {}) {
  if (notices.value.some((notice) => notice.text === text)) return; // what is to be read needs no second time
  const id = ++last;
  notices.value = [...notices.value.slice(-3), { id, text, bad }];
  setTimeout(() => dismiss(id), SECONDS * 1000);
}

/** @param {number} id */
export function dismiss(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
