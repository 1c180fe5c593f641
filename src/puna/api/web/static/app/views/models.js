/** The models on disk: what each is, whether it runs here, and what can be done with it. */
import { html, signal, useEffect, useState } from "../html.js";
import { get, post, refused, send } from "../api/client.js";
import { loadEngine } from "../state/engine.js";
import { loadModels, models, shortName } from "../state/models.js";
import { notify } from "../state/notices.js";
import { apiKey, sidebarOpen } from "../state/preferences.js";
import { change, begin } from "../state/conversations.js";
import { pull } from "../state/pulls.js";
import { go } from "../state/route.js";
import { number, size } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { IconButton } from "../parts/icon.js";
import { Menu } from "../parts/menu.js";
import { Create } from "./create.js";
import { Engine } from "./engine.js";
import { ModelDetails } from "./model-details.js";
import { Pulls } from "./pulls.js";
import { verify, Verify } from "./verify.js";

/** What the machine has, for how well a model fits. @type {{value: any}} */
const machine = signal(null);

/** @param {{name: string}} props a model to show, "" for none */
export function Models({ name }) {
  const [creating, setCreating] = useState(false);
  useEffect(() => {
    document.title = `${t("view_models")} · Puna`;
    loadModels().catch((error) => refused.value || notify(error.message || t("unreachable"), { bad: true }));
    loadEngine().catch(() => {});
    get("/api/puna/machine").then((found) => (machine.value = found)).catch(() => {});
  }, [apiKey.value]);
  return html`<div class="page">
    <header class="view-head">
      <${IconButton} icon="menu" class="narrow" label=${t("showSidebar")} onClick=${() => (sidebarOpen.value = true)} />
      <h1>${t("view_models")}</h1>
      <span class="push row">
        <button type="button" onClick=${() => verify("")}>${t("verifyAll")}</button>
        <button type="button" class="primary" onClick=${() => setCreating(true)}>${t("create")}</button>
      </span>
    </header>
    <div class="page-body">
      <${Pulls} />
      ${models.value === null
        ? html`<p class="faint">${t("loadingList")}</p>`
        : html`<ul class="model-list">${models.value.map((model) => html`<${Row} key=${model.name} model=${model} />`)}</ul>`}
      <${Engine} />
    </div>
    ${creating && html`<${Create} onClose=${() => setCreating(false)} />`}
    ${name && html`<${ModelDetails} name=${name} onClose=${() => go("models")} />`}
    <${Verify} />
  </div>`;
}

/** @param {{model: any}} props */
function Row({ model }) {
  const [doing, setDoing] = useState("");
  const { name, details } = model;
  const drop = () => done(send("DELETE", "/api/delete", { model: name }), t("removed", { name: shortName(name) }));
  const items = [
    { label: t("details"), onClick: () => go("models", name) },
    { label: t("copyModel"), onClick: () => setDoing("copy") },
    { label: t("pullAgain"), onClick: () => pull(name) },
    { label: t("verify"), onClick: () => verify(name) },
    { label: t("remove"), onClick: () => setDoing("remove"), danger: true },
  ];
  const facts = [
    size(model.size),
    details.parameter_size,
    details.quantization_level,
    details.context_length && t("contextTokens", { n: number(details.context_length) }),
  ].filter(Boolean);
  const chats = model.capabilities?.includes("completion");
  const chat = () => {
    begin();
    change({ models: [name] });
    go("chat");
  };
  return html`<li class="model">
    <div class="model-main">
      <a class="model-name" href=${`#/models/${encodeURIComponent(name)}`}>${shortName(name)}</a>
      <p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}</p>
      <p class="badges">${(model.capabilities ?? []).map((capability) => html`<span class="badge">${t(`can_${capability}`)}</span>`)}</p>
      <${Fit} model=${model} />
    </div>
    <div class="row">
      ${chats && html`<button type="button" onClick=${chat}>${t("view_chat")}</button>`}
      <${Menu} label=${t("actionsFor", { name: shortName(name) })} items=${items} />
    </div>
    ${doing === "copy" && html`<${Copy} name=${name} onClose=${() => setDoing("")} />`}
    ${doing === "remove" &&
    html`<${Confirm} title=${t("removeModel")} action=${t("remove")} onYes=${drop} onClose=${() => setDoing("")}>
      ${t("removeModelMore", { name: shortName(name), size: size(model.size) })}
    <//>`}
  </li>`;
}

/** Whether a model runs here, and how much of the memory its weights take. @param {{model: any}} props */
function Fit({ model }) {
  if (model.warning) return html`<p class="fit bad">${model.warning}</p>`;
  if (!model.capabilities) return html`<p class="fit bad">${t("unreadable")}</p>`;
  const found = machine.value;
  if (!found) return null;
  const cards = found.cards.reduce((sum, card) => sum + card.free, 0);
  const { available, total } = found.memory;
  const values = { size: size(model.size), free: size(available), total: size(total), cards: size(cards) };
  if (cards && model.size < cards) return html`<p class="fit good">${t("fitsCards", values)}</p>`;
  if (model.size < available) return html`<p class="fit good">${t("fits", values)}</p>`;
  if (model.size < total) return html`<p class="fit fair">${t("fitsTight", values)}</p>`;
  return html`<p class="fit bad">${t("tooLarge", values)}</p>`;
}

/** @param {{name: string, onClose: () => void}} props */
function Copy({ name, onClose }) {
  const [to, setTo] = useState("");
  const copy = async (/** @type {Event} */ event) => {
    event.preventDefault();
    onClose();
    await done(post("/api/copy", { source: name, destination: to.trim() }), t("copiedModel", { name: to.trim() }));
  };
  return html`<${Dialog} title=${t("copyModelTitle", { name: shortName(name) })} onClose=${onClose}>
    <form class="stack" onSubmit=${copy}>
      <label class="field"><span>${t("newName")}</span><input value=${to} onInput=${(event) => setTo(event.target.value)} /></label>
      <div class="row end"><button type="submit" class="primary" disabled=${!to.trim()}>${t("copy")}</button></div>
    </form>
  <//>`;
}

/**
 * @param {Promise<unknown>} work
 * @param {string} words said when it is done
 */
async function done(work, words) {
  try {
    await work;
    notify(words);
  } catch (error) {
    notify(error instanceof Error && error.message ? error.message : t("unreachable"), { bad: true });
  }
  await loadModels().catch(() => {});
}
