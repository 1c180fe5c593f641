/** Answers: asked for, followed while they come, and stopped. */
import { ApiError, newId, stream } from "../api/client.js";
import { t } from "../text/translate.js";
import { bodyOf } from "./body.js";
import * as store from "./conversations.js";
import { finish } from "./finish.js";
import { watchQueue } from "./queue.js";

/** @typedef {import("./types.js").Message} Message */

const KEEP_MS = 1500;
const HIDDEN_MS = 250;

/**
 * Says something, and lets every model of the conversation answer.
 * @param {Partial<Message> & {content: string}} said
 * @param {string} parent the message that it follows, "" for none
 */
export function say(said, parent) {
  const conversation = /** @type {import("./types.js").Conversation} */ (store.current.value);
  /** @type {Message} */
  const message = { role: "user", ...said, id: newId(), conversation: conversation.id, parent, created: Date.now() };
  store.add([message]);
  reply(message.id);
}

/**
 * Lets every model of the conversation, or those given, answer the message `parent`.
 * @param {string} parent
 * @param {string[]} [models] "" for one that is not known, as of an answer out of a file
 */
export function reply(parent, models) {
  const conversation = /** @type {import("./types.js").Conversation} */ (store.current.value);
  const batch = newId();
  const created = Date.now();
  const given = models?.filter(Boolean) ?? [];
  const answers = (given.length ? given : conversation.models).map((model, index) => ({
    id: newId(),
    conversation: conversation.id,
    parent,
    role: /** @type {const} */ ("assistant"),
    content: "",
    created: created + index,
    model,
    batch,
    settings: conversation.settings,
    state: /** @type {const} */ ("waiting"),
  }));
  store.add(answers);
  for (const answer of answers) follow(answer, store.tree.history(parent, answer.model));
}

/** Lets the model go on with an answer that ended, or was stopped. @param {Message} message */
export function goOn(message) {
  const { settings, models } = /** @type {import("./types.js").Conversation} */ (store.current.value);
  const model = message.model || models[0];
  follow({ ...message, model, state: "waiting", error: undefined, settings }, store.tree.history(message.id, model));
}

/** @param {string} id of the message whose answer is no longer wanted */
export const stop = (id) => store.running.get(id)?.stop();

/**
 * Asks for the answer and writes it into its message as it comes.
 * @param {Message} message
 * @param {Message[]} history
 */
async function follow(message, history) {
  const abort = new AbortController();
  const id = newId();
  const live = store.signalOf(message);
  const entry = { message, signal: live, stop: () => abort.abort() };
  store.running.set(message.id, entry);
  store.runningChanged.value++;
  const writer = new Writer(entry);
  const began = performance.now();
  const unwatch = watchQueue(id, message.id);
  try {
    const body = bodyOf(/** @type {import("./types.js").Settings} */ (message.settings), history, /** @type {string} */ (message.model));
    const how = { signal: abort.signal, id, conversation: message.conversation };
    for await (const piece of stream("/api/chat", body, how)) {
      if (entry.message.state === "waiting") unwatch();
      writer.take(piece, began);
      if (piece.done) await finish(writer, piece, id);
    }
    writer.set({ state: "done" });
  } catch (error) {
    if (abort.signal.aborted) writer.set({ state: "stopped" });
    else writer.set({ state: "stopped", error: wordsOf(error) });
  } finally {
    unwatch();
    store.running.delete(message.id);
    writer.flush();
    store.store(entry.message);
    store.runningChanged.value++;
  }
}

/** @param {unknown} error */
function wordsOf(error) {
  if (error instanceof ApiError) return error.message || t("unreachable");
  if (error instanceof TypeError) return t("connectionLost");
  return String(error instanceof Error ? error.message : error);
}

/** Collects the pieces of one answer and shows them once a frame. */
export class Writer {
  #planned = false;
  #kept = 0;
  #thinkingBegan = 0;

  /** @param {{message: Message, signal: {value: Message}}} entry */
  constructor(entry) {
    this.entry = entry;
    this.firstSeconds = 0;
    this.pieces = 0;
    /** The times at which the last pieces came. @type {number[]} */
    this.times = [];
    this.flush();
  }

  /**
   * @param {any} piece an object of the stream
   * @param {number} began
   */
  take(piece, began) {
    const { message } = this.entry;
    const { content = "", thinking = "", tool_calls: calls } = piece.message ?? {};
    if (!content && !thinking && !calls && !piece.logprobs) return;
    const now = performance.now();
    this.firstSeconds ||= (now - began) / 1000;
    this.pieces++;
    this.times.push(now);
    if (this.times.length > 64) this.times.shift();
    /** @type {Partial<Message>} */
    const changes = { state: "streaming" };
    if (thinking) {
      this.#thinkingBegan ||= now;
      changes.thinking = (message.thinking ?? "") + thinking;
    }
    if (this.#thinkingBegan) {
      if (thinking) changes.thinkingSeconds = (now - this.#thinkingBegan) / 1000;
      else if (content && !message.content) changes.thinkingSeconds = (now - this.#thinkingBegan) / 1000;
    }
    if (content) changes.content = message.content + content;
    if (calls) changes.toolCalls = [...(message.toolCalls ?? []), ...calls];
    if (piece.logprobs) {
      const tokens = message.tokens ?? [];
      tokens.push(...piece.logprobs.map(slim));
      changes.tokens = tokens;
    }
    this.set(changes);
  }

  /** Tokens per second over the last pieces. */
  get speed() {
    const { times } = this;
    const span = times.length > 1 ? (times[times.length - 1] - times[0]) / 1000 : 0;
    return span > 0 ? (times.length - 1) / span : 0;
  }

  /** @param {Partial<Message>} changes */
  set(changes) {
    this.entry.message = { ...this.entry.message, ...changes };
    if (this.#planned) return;
    this.#planned = true;
    const show = () => this.#planned && this.flush();
    if (document.hidden) setTimeout(show, HIDDEN_MS);
    else requestAnimationFrame(show);
  }

  /** Shows what there is, and writes it from time to time, and once it is shown as done: somebody may reload then. */
  flush() {
    this.#planned = false;
    const { message } = this.entry;
    this.entry.signal.value = { ...message, speed: this.speed };
    const now = performance.now();
    if (message.state !== "done" && now - this.#kept < KEEP_MS) return;
    this.#kept = now;
    store.store(message);
  }
}

/** @param {any} entry */
function slim({ token, logprob, top_logprobs: top }) {
  return { token, logprob, top_logprobs: top?.map(({ token, logprob }) => ({ token, logprob })) };
}
