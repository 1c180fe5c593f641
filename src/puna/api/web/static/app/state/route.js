/** Which view is open, as the address says after `#/`: `chat/ID`, `models/NAME`, `now` or `usage`. */
import { signal } from "../html.js";

/** @returns {{view: string, rest: string}} */
function read() {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { view: view || "chat", rest: decoded(rest.join("/")) };
}

/** An address that was cut or written by hand may have a "%" that escapes nothing. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
