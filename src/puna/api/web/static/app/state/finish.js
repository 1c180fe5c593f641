/** What the end of an answer tells, with what other routes know of it. */
import { get } from "../api/client.js";

const SECOND = 1e9;

/**
 * @param {import("./answer.js").Writer} writer
 * @param {any} end the last object of the stream
 * @param {string} id of the request
 */
export async function finish(writer, end, id) {
  /** @type {import("./types.js").Stats} */
  const stats = {
    prompt: end.prompt_eval_count ?? 0,
    generated: end.eval_count ?? 0,
    promptSeconds: (end.prompt_eval_duration ?? 0) / SECOND,
    seconds: (end.eval_duration ?? 0) / SECOND,
    loadSeconds: (end.load_duration ?? 0) / SECOND,
    firstSeconds: writer.firstSeconds,
    reason: end.done_reason ?? "",
    context: end.context_length,
    cached: end.prompt_cached_count,
    droppedMessages: end.dropped_messages,
    droppedTokens: end.dropped_tokens,
  };
  writer.set({ stats, state: "done" });
  const [context, cached] = await Promise.all([contextOf(writer.entry.message.model), cachedOf(id)]);
  writer.set({ stats: { ...stats, context: stats.context ?? context, cached: stats.cached ?? cached } });
}

/** @param {string | undefined} model */
async function contextOf(model) {
  try {
    const { models } = await get("/api/ps");
    const name = model?.includes(":") ? model : `${model}:latest`;
    return models.find((/** @type {any} */ entry) => entry.name === name || entry.name === model)?.context_length;
  } catch {
    return undefined;
  }
}

/** @param {string} id */
async function cachedOf(id) {
  try {
    const { requests } = await get("/api/puna/requests");
    return requests.find((/** @type {any} */ entry) => entry.id === id)?.cached;
  } catch {
    return undefined;
  }
}
