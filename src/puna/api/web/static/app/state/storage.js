/** Small values that the browser keeps (localStorage), where it lets us. */

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise what holds where nothing is kept, or nothing that can be read
 * @returns {T}
 */
export function recall(name, otherwise) {
  try {
    const text = localStorage.getItem(`puna.${name}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(`puna.${name}`, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing: the value lasts as long as the page
  }
}
