/** What `/api/chat` is asked for, out of a conversation and the messages of one branch. */

/** @typedef {import("./types.js").Message} Message */

const TOP = 5;

/**
 * @param {import("./types.js").Settings} settings
 * @param {Message[]} history ends with the message to answer, or with the answer to go on with
 * @param {string} model
 * @returns {Record<string, unknown>}
 */
export function bodyOf(settings, history, model) {
  const { system, options, format, tools, think, logprobs } = settings;
  /** @type {Record<string, unknown>} */
  const body = { model, messages: [...(system ? [{ role: "system", content: system }] : []), ...history.map(wire)] };
  if (Object.keys(options).length) body.options = options;
  if (format) body.format = format === "json" ? format : JSON.parse(format);
  if (tools.trim()) body.tools = JSON.parse(tools);
  if (think) body.think = think === "on" ? true : think === "off" ? false : think;
  if (logprobs) Object.assign(body, { logprobs: true, top_logprobs: TOP });
  return body;
}

/** @param {Message} message */
function wire(message) {
  /** @type {Record<string, unknown>} */
  const item = { role: message.role, content: textOf(message) };
  if (message.thinking) item.thinking = message.thinking;
  if (message.images?.length) item.images = message.images;
  if (message.audio?.length) item.audio = message.audio;
  if (message.toolCalls?.length) item.tool_calls = message.toolCalls;
  if (message.toolName) item.tool_name = message.toolName;
  if (message.toolCallId) item.tool_call_id = message.toolCallId;
  return item;
}

/** The text of a message with its files before it. @param {Message} message */
function textOf(message) {
  const files = (message.files ?? []).map(({ name, text }) => {
    const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    return `${name}:\n${fence}\n${text}\n${fence}\n\n`;
  });
  return files.join("") + message.content;
}
