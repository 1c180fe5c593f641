/** The conversations that this browser keeps, and the one that is open. */
import { signal } from "../html.js";
import { newId } from "../api/client.js";
import * as database from "./database.js";
import { notify } from "./notices.js";
import { recall, remember } from "./storage.js";
import { Tree } from "./tree.js";
import { t } from "../text/translate.js";

/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").Message} Message */

/** The newest first. @type {{value: Conversation[]}} */
export const conversations = signal([]);
/** @type {{value: Conversation | null}} */
export const current = signal(null);
/** The messages of the open conversation; another number means that messages came or went. */
export const structure = signal(0);
export let tree = new Tree();
/** @type {Map<string, {value: Message}>} */
let signals = new Map();

/** @returns {import("./types.js").Settings} */
export const defaultSettings = () => ({
  system: "",
  options: {},
  format: "",
  tools: "",
  think: "",
  logprobs: false,
  ...recall("defaults", {}),
});

/** The signal of one message of the open conversation. @param {Message} message */
export function signalOf(message) {
  let found = signals.get(message.id);
  if (!found) signals.set(message.id, (found = signal(message)));
  return found;
}

/** Reads what is kept. */
export async function loadConversations() {
  try {
    const all = await database.allConversations();
    conversations.value = all.sort((a, b) => b.updated - a.updated);
  } catch (error) {
    notify(t("cannotKeep"), { bad: true });
  }
}

/** @param {Promise<unknown>} writing */
function written(writing) {
  writing.catch(() => notify(t("cannotKeep"), { bad: true }));
}

/** Opens a new conversation, which is kept once something is said. */
export function begin() {
  const now = Date.now();
  tree = new Tree();
  signals = new Map();
  current.value = {
    id: newId(),
    title: "",
    created: now,
    updated: now,
    models: recall("models", []),
    settings: defaultSettings(),
    choices: {},
  };
  structure.value++;
}

/**
 * @param {string} id
 * @returns {Promise<boolean>} whether there is such a conversation
 */
export async function open(id) {
  if (current.value?.id === id) return true;
  const found = conversations.value.find((conversation) => conversation.id === id);
  if (!found) return false;
  const messages = await database.messagesOf(id).catch(() => null);
  if (!messages) {
    notify(t("cannotKeep"), { bad: true });
    return false;
  }
  for (const message of messages) {
    const live = running.get(message.id);
    if (live) Object.assign(message, live.message);
    else if (message.state === "waiting" || message.state === "streaming") message.state = "stopped";
  }
  tree = new Tree(messages);
  signals = new Map();
  for (const message of messages) {
    const live = running.get(message.id);
    if (live) signals.set(message.id, live.signal);
  }
  current.value = found;
  structure.value++;
  return true;
}

/** Answers under way, by message, also those of conversations that are not open.
 * @type {Map<string, {message: Message, signal: {value: Message}, stop: () => void}>} */
export const running = new Map();
/** Counts up when an answer begins or ends. */
export const runningChanged = signal(0);

/** @param {Partial<Conversation>} changes */
export function change(changes) {
  if (!current.value) return;
  current.value = { ...current.value, ...changes };
  if (changes.models) remember("models", changes.models);
  if (tree.byId.size) keep(current.value);
}

/** @param {Conversation} conversation */
function keep(conversation) {
  conversations.value = [conversation, ...conversations.value.filter((other) => other.id !== conversation.id)].sort(
    (a, b) => b.updated - a.updated,
  );
  written(database.putConversation(conversation));
}

/**
 * Adds messages to the open conversation and shows them.
 * @param {Message[]} messages
 */
export function add(messages) {
  const conversation = /** @type {Conversation} */ (current.value);
  const choices = { ...conversation.choices };
  for (const message of messages) {
    tree.add(message);
    choices[message.parent] = messages.find((other) => other.parent === message.parent)?.id ?? message.id;
  }
  const first = messages.find((message) => message.role === "user");
  const title = conversation.title || titleOf(first);
  current.value = { ...conversation, choices, title, updated: Date.now() };
  keep(current.value);
  written(database.putMessages(messages));
  structure.value++;
}

/** @param {Message | undefined} message */
function titleOf(message) {
  const text = message?.content || message?.files?.[0]?.name || "";
  const line = text.trim().split("\n", 1)[0].replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** Writes a message that has changed. @param {Message} message */
export function store(message) {
  tree.byId.has(message.id) && tree.byId.set(message.id, message);
  written(database.updateMessage(message));
}

/**
 * Shows another branch.
 * @param {string} parent
 * @param {string} child
 */
export function choose(parent, child) {
  change({ choices: { .../** @type {Conversation} */ (current.value).choices, [parent]: child } });
  structure.value++;
}

/** @param {string} id */
export async function remove(id) {
  for (const { message, stop } of [...running.values()]) if (message.conversation === id) stop();
  conversations.value = conversations.value.filter((conversation) => conversation.id !== id);
  await database.removeConversation(id).catch(() => notify(t("cannotKeep"), { bad: true }));
}

/**
 * @param {string} id
 * @param {string} title
 */
export function rename(id, title) {
  if (current.value?.id === id) current.value = { ...current.value, title };
  const found = conversations.value.find((conversation) => conversation.id === id);
  if (found) keep({ ...found, title });
}

/**
 * Takes in conversations from a file, under ids of their own.
 * @param {{conversation: Conversation, messages: Message[]}[]} list
 */
export async function takeIn(list) {
  for (const { conversation, messages } of list) {
    const ids = new Map(messages.map((message) => [message.id, newId()]));
    const id = newId();
    const fresh = (/** @type {string} */ old) => ids.get(old) ?? "";
    const choices = Object.fromEntries(
      Object.entries(conversation.choices ?? {}).map(([parent, child]) => [fresh(parent), fresh(child)]),
    );
    await database.putMessages(
      messages.map((message) => ({
        ...message,
        id: fresh(message.id),
        parent: fresh(message.parent),
        conversation: id,
      })),
    );
    keep({ ...conversation, id, choices });
  }
}
