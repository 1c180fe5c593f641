/** A conversation: its head, its messages, the field to write in, and its settings beside. */
import { html, signal, useEffect } from "../html.js";
import { begin, change, current, open, structure, tree } from "../state/conversations.js";
import { models, shortName } from "../state/models.js";
import { sidebarOpen } from "../state/preferences.js";
import { go } from "../state/route.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { Panel } from "./panel.js";
import { PromptDialog } from "./prompt.js";

export const panelOpen = signal(false);

/** @param {{id: string}} props */
export function Chat({ id }) {
  useEffect(() => {
    if (!id) begin();
    else open(id).then((found) => found || go("chat", "", { replace: true }));
  }, [id]);
  const conversation = current.value;
  const said = structure.value > 0 && tree.byId.size > 0;
  useEffect(() => {
    if (conversation && said && !id) go("chat", conversation.id, { replace: true });
    document.title = conversation?.title ? `${conversation.title} · Puna` : "Puna";
  }, [conversation?.id, conversation?.title, said]);
  useEffect(() => {
    const known = models.value;
    if (!conversation || !known) return;
    // A new conversation begins with the models of the last one, which may be gone by now, or not for this key.
    const there = said ? conversation.models : conversation.models.filter((name) => known.some((model) => model.name === name));
    const first = known.find((model) => !model.warning && chats(model));
    if (!there.length && first) change({ models: [first.name] });
    else if (there.length < conversation.models.length) change({ models: there });
  }, [conversation?.id, models.value]);
  if (!conversation || (id && conversation.id !== id)) return html`<div class="chat"></div>`;
  return html`<div class=${`chat ${panelOpen.value ? "with-panel" : ""}`}>
    <header class="view-head">
      <${IconButton} icon="menu" class="narrow" label=${t("showSidebar")} onClick=${() => (sidebarOpen.value = true)} />
      <h1 class="unseen">${conversation.title || t("newChat")}</h1>
      <${Pickers} chosen=${conversation.models} />
      <${IconButton} icon="sliders" class="push" label=${t("settings")} aria-expanded=${String(panelOpen.value)} onClick=${() => (panelOpen.value = !panelOpen.value)} />
    </header>
    ${said ? html`<${Log} key=${conversation.id} />` : html`<${Welcome} />`}
    <${Composer} key=${`write-${conversation.id}`} />
    ${panelOpen.value && html`<${Panel} key=${`panel-${conversation.id}`} onClose=${() => (panelOpen.value = false)} />`}
    <${PromptDialog} />
  </div>`;
}

/** @param {any} model */
const chats = (model) => !model.capabilities || model.capabilities.includes("completion");

/** Which models answer: one, or several side by side. @param {{chosen: string[]}} props */
function Pickers({ chosen }) {
  const known = (models.value ?? []).filter(chats);
  const set = (/** @type {number} */ index, /** @type {string} */ name) =>
    change({ models: name ? chosen.with(index, name) : chosen.toSpliced(index, 1) });
  const unused = known.find((model) => !chosen.includes(model.name)) ?? known[0];
  return html`<div class="pickers">
    ${chosen.map(
      (name, index) =>
        html`<span class="picker">
          <select aria-label=${t("model")} value=${name} onChange=${(event) => set(index, event.target.value)}>
            ${!known.some((model) => model.name === name) && html`<option value=${name}>${shortName(name)}</option>`}
            ${known.map((model) => html`<option value=${model.name}>${shortName(model.name)}</option>`)}
          </select>
          ${chosen.length > 1 && html`<${IconButton} icon="close" label=${t("dropModel", { name: shortName(name) })} onClick=${() => set(index, "")} />`}
        </span>`,
    )}
    ${chosen.length > 0 && unused && html`<${IconButton} icon="plus" label=${t("addModel")} onClick=${() => change({ models: [...chosen, unused.name] })} />`}
    ${models.value && !known.length && html`<a href="#/models">${t("noModels")}</a>`}
  </div>`;
}

const Welcome = () =>
  html`<div class="welcome">
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M3 24.500 11.500 9l5.200 8.200 3-4.700L29 24.500z" /></svg>
    <p class="hello">${t("hello")}</p>
    <p class="faint">${t("helloMore")}</p>
  </div>`;
