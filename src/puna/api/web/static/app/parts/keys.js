/** Which keys are meant for the page. */

/**
 * Whether a key belongs to an input method, which takes Enter and Escape for itself while Chinese is written with it.
 * Safari tells of the key that ends it by its code alone.
 * @param {KeyboardEvent} event
 */
export const composes = (event) => event.isComposing || event.keyCode === 229;
