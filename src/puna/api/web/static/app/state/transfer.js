/** Conversations as files: JSON with all branches, to be read again, and Markdown of what is shown, to be read by people. */
import { messagesOf } from "./database.js";
import { defaultSettings } from "./conversations.js";
import { Tree } from "./tree.js";

/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").Message} Message */

const KIND = "puna.conversations";
const ROLES = ["user", "assistant", "tool"];

/**
 * @param {Conversation[]} list
 * @returns {Promise<string>}
 */
export async function toJson(list) {
  const all = [];
  for (const conversation of list) all.push({ conversation, messages: await messagesOf(conversation.id) });
  return JSON.stringify({ kind: KIND, version: 1, conversations: all }, null, 1);
}

/**
 * @param {Conversation} conversation
 * @returns {Promise<string>}
 */
export async function toMarkdown(conversation) {
  const path = new Tree(await messagesOf(conversation.id)).path(conversation.choices);
  const parts = [`# ${conversation.title}`];
  if (conversation.settings.system) parts.push(`> ${conversation.settings.system.replaceAll("\n", "\n> ")}`);
  for (const { branches, shown } of path) {
    for (const message of branches[shown]) {
      const who = { role: message.role, model: message.model };
      parts.push(`<!-- puna ${JSON.stringify(who)} -->\n## ${message.model ?? message.toolName ?? message.role}`);
      for (const file of message.files ?? []) parts.push(`${file.name}\n\n${fenced(file.text)}`);
      for (const call of message.toolCalls ?? []) parts.push(fenced(JSON.stringify(call.function, null, 2), "json"));
      if (message.content) parts.push(message.content);
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/**
 * @param {string} text
 * @param {string} [language]
 */
function fenced(text, language = "") {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/**
 * Reads a file made by `toJson`, a list of messages as `/api/chat` takes it, or Markdown made by `toMarkdown`.
 * @param {string} text
 * @returns {{conversation: Conversation, messages: Message[]}[]}
 */
export function read(text) {
  if (!/^\s*[[{]/.test(text)) return [fromMarkdown(text)];
  const data = JSON.parse(text);
  if (data.kind === KIND) return data.conversations.map(checked);
  return [fromMessages(Array.isArray(data) ? data : data.messages ?? [], data.model)];
}

/** @param {{conversation: Conversation, messages: Message[]}} item */
function checked({ conversation, messages }) {
  if (typeof conversation?.title !== "string" || !Array.isArray(messages)) throw new TypeError("not a conversation");
  const known = messages.filter((message) => ROLES.includes(message?.role) && typeof message.content === "string");
  return {
    conversation: {
      ...conversation,
      created: Number(conversation.created) || Date.now(),
      updated: Number(conversation.updated) || Date.now(),
      models: (conversation.models ?? []).map(String),
      settings: { ...defaultSettings(), ...conversation.settings },
    },
    messages: known.map((message) => ({ ...message, parent: message.parent ?? "", created: Number(message.created) })),
  };
}

/**
 * @param {any[]} list as `/api/chat` takes it; an answer may name its model
 * @param {string} [model] of the others
 */
function fromMessages(list, model) {
  const now = Date.now();
  const settings = defaultSettings();
  const system = list.filter(({ role }) => role === "system").map(({ content }) => String(content ?? ""));
  settings.system = system.join("\n\n") || settings.system;
  /** @type {Message[]} */
  const messages = [];
  for (const item of list.filter(({ role }) => ROLES.includes(role))) {
    messages.push({
      id: `m${messages.length}`,
      conversation: "",
      parent: messages.at(-1)?.id ?? "",
      role: /** @type {Message["role"]} */ (item.role),
      content: String(item.content ?? ""),
      thinking: item.thinking,
      images: item.images,
      audio: item.audio,
      toolCalls: item.tool_calls,
      toolName: item.tool_name,
      toolCallId: item.tool_call_id,
      model: item.role === "assistant" ? item.model ?? model : undefined,
      created: now + messages.length,
    });
  }
  const title = messages[0]?.content.trim().split("\n", 1)[0].slice(0, 60) ?? "";
  const last = messages.findLast((message) => message.model)?.model;
  const conversation = { id: "", title, created: now, updated: now, models: last ? [last] : [], settings, choices: {} };
  return { conversation, messages };
}

/** @param {string} text */
function fromMarkdown(text) {
  const parts = text.split(/^<!-- puna (\{.*\}) -->\n## .*$/m);
  if (parts.length < 3) throw new TypeError("no conversation is in this file");
  const list = [];
  for (let at = 1; at + 1 < parts.length; at += 2) {
    const { role, model } = JSON.parse(parts[at]);
    list.push({ role: String(role), model, content: parts[at + 1].trim() });
  }
  const found = fromMessages(list);
  const title = /^# (.*)$/m.exec(parts[0])?.[1] ?? found.conversation.title;
  return { ...found, conversation: { ...found.conversation, title } };
}

/**
 * Gives the user a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
