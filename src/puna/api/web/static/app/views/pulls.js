/** Asks for a model from a registry, and shows how far each pull is. */
import { html, useState } from "../html.js";
import { forgetPull, pull, pulls, stopPull } from "../state/pulls.js";
import { duration, percent, size } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";

export function Pulls() {
  const [name, setName] = useState("");
  const begin = (/** @type {Event} */ event) => {
    event.preventDefault();
    pull(name.trim());
    setName("");
  };
  return html`<section class="pulls" aria-label=${t("pull")}>
    <form class="row" onSubmit=${begin}>
      <input class="grow" aria-label=${t("pullName")} placeholder=${t("pullExample")} spellcheck="false" autocapitalize="off" value=${name} onInput=${(event) => setName(event.target.value)} />
      <button type="submit" disabled=${!name.trim()}>${t("pull")}</button>
    </form>
    ${pulls.value.map((item) => html`<${Row} key=${item.name} item=${item} />`)}
  </section>`;
}

/** @param {{item: import("../state/pulls.js").Pull}} props */
function Row({ item }) {
  const { name, state, status, total, completed, speed, sources, error, warning } = item;
  const facts = [];
  if (total) facts.push(t("ofSize", { done: size(completed), total: size(total) }), percent(completed / total));
  if (speed > 0) facts.push(t("perSecond", { size: size(speed) }), t("left", { time: duration((total - completed) / speed) }));
  return html`<div class="pull">
    <div class="row">
      <strong>${name}</strong>
      <span class="faint grow">${state === "running" ? status : t(`pull_${state}`)}</span>
      ${state === "running" && html`<button type="button" class="quiet" onClick=${() => stopPull(name)}>${t("stop")}</button>`}
      ${(state === "stopped" || state === "failed") && html`<button type="button" class="quiet" onClick=${() => pull(name)}>${t("resume")}</button>`}
      ${state !== "running" && html`<${IconButton} icon="close" label=${t("dropPull", { name })} onClick=${() => forgetPull(name)} />`}
    </div>
    ${state !== "done" && html`<progress max=${total || 1} value=${state === "running" && !total ? undefined : completed} aria-label=${name}></progress>`}
    ${facts.length > 0 && state !== "done" && html`<p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}</p>`}
    ${(sources?.length ?? 0) > 0 && html`<p class="facts">${sources.map(([host, bytes]) => html`<span key=${host}>${t("fromHost", { host, size: size(bytes) })}</span>`)}</p>`}
    ${error && html`<p class="problem" role="alert">${error}</p>`}
    ${warning && html`<p class="left-out">${warning}</p>`}
  </div>`;
}
