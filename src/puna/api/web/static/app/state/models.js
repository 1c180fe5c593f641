/** The models on disk, and what is known of each. */
import { signal } from "../html.js";
import { get, post } from "../api/client.js";

/** @type {{value: any[] | null}} null: not asked yet */
export const models = signal(null);
/** What `/api/show` tells, by name. @type {{value: Record<string, any>}} */
export const shown = signal({});

export async function loadModels() {
  models.value = (await get("/api/tags")).models;
  shown.value = {};
}

/** @param {string} name */
export async function show(name) {
  if (shown.value[name]) return shown.value[name];
  const found = await post("/api/show", { model: name });
  shown.value = { ...shown.value, [name]: found };
  return found;
}

/**
 * Whether a model can do something; true while nothing is known.
 * @param {string} name
 * @param {string} capability
 */
export function can(name, capability) {
  const model = models.value?.find((entry) => entry.name === name);
  return !model?.capabilities || model.capabilities.includes(capability);
}

/** Names without what every name has by default. @param {string} name */
export const shortName = (name) => name.replace(/:latest$/, "");
