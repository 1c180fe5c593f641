/** Calls of functions that a model asks for, and the field for each result. */
import { html, useState } from "../html.js";
import { newId } from "../api/client.js";
import { reply } from "../state/answer.js";
import { add, choose } from "../state/conversations.js";
import { t } from "../text/translate.js";
import { Icon } from "../parts/icon.js";

/** @param {{message: import("../state/types.js").Message, busy: boolean, last: boolean}} props */
export function Calls({ message, busy, last }) {
  const calls = message.toolCalls ?? [];
  const [results, setResults] = useState(/** @type {string[]} */ ([]));
  const waits = last && !busy;
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    let parent = message.id;
    const answers = calls.map((call, index) => {
      const id = newId();
      const result = {
        id,
        parent,
        conversation: message.conversation,
        role: /** @type {const} */ ("tool"),
        content: results[index] ?? "",
        toolName: call.function.name,
        toolCallId: call.id,
        created: Date.now() + index,
      };
      parent = id;
      return result;
    });
    choose(message.parent, message.id); // of answers side by side, this one goes on
    add(answers);
    reply(parent, [message.model ?? ""]);
  };
  return html`<form class="calls" onSubmit=${send}>
    ${calls.map(
      (call, index) =>
        html`<div class="call">
          <div class="call-name"><${Icon} name="tool" />${t("calls", { name: call.function.name })}</div>
          <pre tabindex="0">${JSON.stringify(call.function.arguments, null, 2)}</pre>
          ${waits &&
          html`<label class="field">
            <span>${t("resultOf", { name: call.function.name })}</span>
            <textarea rows="2" value=${results[index] ?? ""} onInput=${(event) => setResults(withAt(results, index, event.target.value))}></textarea>
          </label>`}
        </div>`,
    )}
    ${waits && html`<div class="row end"><button type="submit" class="primary">${t("sendResults")}</button></div>`}
  </form>`;
}

/**
 * @param {string[]} list
 * @param {number} index
 * @param {string} value
 */
function withAt(list, index, value) {
  const copy = [...list];
  copy[index] = value;
  return copy;
}
