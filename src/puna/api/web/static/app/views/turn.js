/** One step of a conversation: what somebody said, or the answers to it side by side. */
import { html, useState } from "../html.js";
import { choose, current, signalOf } from "../state/conversations.js";
import { reply, say } from "../state/answer.js";
import { t } from "../text/translate.js";
import { copyText } from "../parts/copy.js";
import { IconButton } from "../parts/icon.js";
import { composes } from "../parts/keys.js";
import { Answer } from "./answer.js";

const LONG = 3000;

/** @typedef {ReturnType<import("../state/tree.js").Tree["path"]>[number]} Entry */

/** @param {{entry: Entry, last: boolean}} props */
export function Turn({ entry, last }) {
  const group = entry.branches[entry.shown];
  if (entry.chosen.role !== "assistant") return html`<${Said} entry=${entry} />`;
  const beside = group.length > 1;
  return html`<section class=${`turn answers ${beside ? "beside" : ""}`}>
    <div class="columns">
      ${group.map(
        (message) =>
          html`<${Answer}
            key=${message.id}
            live=${signalOf(message)}
            last=${last}
            choice=${beside ? { chosen: message.id === entry.chosen.id, choose: () => choose(entry.parent, message.id) } : null}
            onAgain=${() => reply(entry.parent, beside ? group.map((other) => other.model ?? "") : [message.model ?? ""])}
          />`,
      )}
    </div>
    <${Branches} entry=${entry} />
  </section>`;
}

/** The way between branches: ‹1/2›. @param {{entry: Entry}} props */
function Branches({ entry }) {
  const { branches, shown, parent } = entry;
  if (branches.length < 2) return null;
  const to = (/** @type {number} */ index) => choose(parent, branches[index][0].id);
  return html`<span class="branches" role="group" aria-label=${t("branches")}>
    <${IconButton} icon="left" label=${t("branchBefore")} disabled=${shown === 0} onClick=${() => to(shown - 1)} />
    <span>${shown + 1}/${branches.length}</span>
    <${IconButton} icon="right" label=${t("branchAfter")} disabled=${shown === branches.length - 1} onClick=${() => to(shown + 1)} />
  </span>`;
}

/** What the user, or a function, said. @param {{entry: Entry}} props */
function Said({ entry }) {
  const message = entry.chosen;
  const [editing, setEditing] = useState(false);
  const [whole, setWhole] = useState(message.content.length <= LONG);
  if (message.role === "tool") {
    return html`<section class="turn result">
      <details><summary>${t("resultOf", { name: message.toolName ?? "" })}</summary><pre tabindex="0">${message.content}</pre></details>
      <${Branches} entry=${entry} />
    </section>`;
  }
  if (editing) return html`<${Edit} message=${message} onClose=${() => setEditing(false)} />`;
  const text = whole ? message.content : `${message.content.slice(0, LONG)}…`;
  return html`<section class="turn said">
    <h2 class="unseen">${t("you")}</h2>
    <${Attached} message=${message} />
    ${message.content && html`<div class="bubble">${text}${!whole && html` <button type="button" class="link" onClick=${() => setWhole(true)}>${t("showAll")}</button>`}</div>`}
    <div class=${`actions ${entry.branches.length > 1 ? "branching" : ""}`}>
      <${Branches} entry=${entry} />
      <${IconButton} icon="copy" label=${t("copy")} onClick=${() => copyText(message.content)} />
      <${IconButton} icon="edit" label=${t("edit")} onClick=${() => setEditing(true)} />
      ${!current.value?.models.length && html`<a href="#/models">${t("noModels")}</a>`}
    </div>
  </section>`;
}

/** Pictures, sounds and files of a message. @param {{message: import("../state/types.js").Message}} props */
function Attached({ message }) {
  const { images = [], audio = [], files = [] } = message;
  if (!images.length && !audio.length && !files.length) return null;
  return html`<div class="attached">
    ${images.map((data, index) => html`<img src=${`data:image/png;base64,${data}`} alt=${t("pictureN", { n: index + 1 })} />`)}
    ${audio.map((data) => html`<audio controls src=${`data:audio/wav;base64,${data}`}></audio>`)}
    ${files.map((file) => html`<details class="file"><summary>${file.name}</summary><pre tabindex="0">${file.text}</pre></details>`)}
  </div>`;
}

/** Another version of a message makes another branch. @param {{message: import("../state/types.js").Message, onClose: () => void}} props */
function Edit({ message, onClose }) {
  const [text, setText] = useState(message.content);
  const { images, audio, files, parent } = message;
  const send = () => {
    onClose();
    say({ content: text, images, audio, files }, parent);
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (composes(event)) return;
    if (event.key === "Escape") onClose();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  };
  return html`<section class="turn said editing">
    <textarea aria-label=${t("edit")} ref=${focus} value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${keys}></textarea>
    <div class="row end">
      <button type="button" onClick=${onClose}>${t("cancel")}</button>
      <button type="button" class="primary" disabled=${!text.trim()} onClick=${send}>${t("sendBranch")}</button>
    </div>
  </section>`;
}

/** @param {HTMLElement | null} element */
const focus = (element) => element && document.activeElement !== element && !element.dataset.seen && ((element.dataset.seen = "1"), element.focus());
