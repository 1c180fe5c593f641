/** Which view is open, as the address says after `#/`: `chat/ID`, `models/NAME`, `now` or `usage`. */
import { signal } from "../html.js";

/** @returns {{view: string, rest: string}} */
function read() {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { view: view || "chat", rest: decodeURIComponent(rest.join("/")) };
}

export const route = signal(read());
addEventListener("hashchange", () => {
  route.value = read();
});

/**
 * @param {string} view
 * @param {string} [rest]
 * @param {{replace?: boolean}} [how]
 */
export function go(view, rest = "", { replace = false } = {}) {
  const hash = `#/${view}${rest ? `/${encodeURIComponent(rest)}` : ""}`;
  if (location.hash === hash) return;
  if (replace) {
    history.replaceState(null, "", hash);
    route.value = read();
  } else {
    location.hash = hash;
  }
}
