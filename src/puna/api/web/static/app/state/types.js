/**
 * What a conversation is made of.
 *
 * @typedef {object} Settings what a conversation asks of its models
 * @property {string} system the system prompt, "" for the model's own
 * @property {Record<string, unknown>} options those that differ from the defaults
 * @property {string} format "" for none, "json", or a JSON Schema as text
 * @property {string} tools functions that the model may call, as JSON text, "" for none
 * @property {"" | "on" | "off" | "low" | "medium" | "high"} think "" leaves it to the model
 * @property {boolean} logprobs whether to ask for the log probabilities of tokens
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {number} created in milliseconds
 * @property {number} updated in milliseconds
 * @property {string[]} models one, or several that answer side by side
 * @property {Settings} settings
 * @property {Record<string, string>} choices which child is shown below a message, by the parent's id ("" is the root)
 *
 * @typedef {object} Attachment a file whose text goes before the message
 * @property {string} name
 * @property {string} text
 *
 * @typedef {object} ToolCall
 * @property {string} [id]
 * @property {{name: string, arguments: Record<string, unknown>}} function
 *
 * @typedef {object} Stats what the end of an answer told; durations are in seconds
 * @property {number} prompt tokens
 * @property {number} generated tokens
 * @property {number} promptSeconds
 * @property {number} seconds
 * @property {number} loadSeconds
 * @property {number} firstSeconds until the first piece came
 * @property {string} reason
 * @property {number} [context] tokens that the model has room for
 * @property {number} [cached] tokens of the prompt that were known from before
 * @property {number} [droppedMessages]
 * @property {number} [droppedTokens]
 *
 * @typedef {object} Token
 * @property {string} token
 * @property {number} logprob
 * @property {{token: string, logprob: number}[]} [top_logprobs]
 *
 * @typedef {object} Message a node of the tree
 * @property {string} id
 * @property {string} conversation
 * @property {string} parent the id of the message before, "" for the first
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {number} created in milliseconds
 * @property {string} [thinking]
 * @property {number} [thinkingSeconds]
 * @property {string[]} [images] base64
 * @property {string[]} [audio] base64
 * @property {Attachment[]} [files]
 * @property {string} [model] that answered
 * @property {string} [batch] what answers side by side have in common
 * @property {ToolCall[]} [toolCalls]
 * @property {string} [toolName] whose result this is
 * @property {string} [toolCallId]
 * @property {Settings} [settings] that it was asked for with
 * @property {Stats} [stats]
 * @property {Token[]} [tokens]
 * @property {string} [error]
 * @property {"waiting" | "streaming" | "done" | "stopped"} [state]
 */
export {};
