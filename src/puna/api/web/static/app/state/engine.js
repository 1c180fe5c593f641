/** Which engine runs models, and what was measured of them here. */
import { signal } from "../html.js";
import { get } from "../api/client.js";

/** What `/api/puna/engine` tells; null: not known. @type {{value: any}} */
export const engine = signal(null);

export async function loadEngine() {
  engine.value = await get("/api/puna/engine");
}

/** What `puna tune` has found of a model. @param {string} name */
export const tunedOf = (name) => engine.value?.tuned.filter((/** @type {any} */ entry) => entry.model === name) ?? [];

/** The engine of a model: one of its own, or that of all. @param {string} name */
export const engineOf = (name) => engine.value?.models[name.toLowerCase()] ?? engine.value?.engine ?? "";
