/** What the server does at this moment: models in memory, the queue, speed, memory, and the last requests. */
import { html, useEffect, useMemo, useState } from "../html.js";
import { post, send } from "../api/client.js";
import { shortName } from "../state/models.js";
import { notify } from "../state/notices.js";
import { sidebarOpen } from "../state/preferences.js";
import { history, look, problem, speedOf, watch } from "../state/watch.js";
import { duration, moment, number, percent, size } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";
import { Plot } from "./plot.js";

const FAR = 365 * 24 * 3600;
const SHOWN = 20;

export function Now() {
  useEffect(() => {
    document.title = `${t("view_now")} · Puna`;
    return watch();
  }, []);
  const seen = look.value;
  return html`<div class="page">
    <header class="view-head">
      <${IconButton} icon="menu" class="narrow" label=${t("showSidebar")} onClick=${() => (sidebarOpen.value = true)} />
      <h1>${t("view_now")}</h1>
    </header>
    <div class="page-body">
      ${problem.value && html`<p class="problem" role="alert">${problem.value}</p>`}
      ${seen &&
      html`<${Loaded} models=${seen.loaded} loads=${seen.queue.loads} />
        <${Plots} cards=${seen.machine?.cards.length > 0} />
        <${Queue} queue=${seen.queue} />
        ${seen.requests && html`<${Requests} requests=${seen.requests} />`}
        ${seen.sessions && html`<${Sessions} sessions=${seen.sessions} />`}`}
    </div>
  </div>`;
}

/** @param {Promise<unknown>} work */
const tell = (work) => work.catch((error) => notify(error.message || t("unreachable"), { bad: true }));

/** @param {{models: any[], loads: any[]}} props */
function Loaded({ models, loads }) {
  const until = (/** @type {any} */ model) => {
    const seconds = (Date.parse(model.expires_at) - Date.now()) / 1000;
    return seconds > FAR ? t("stays") : seconds > 0 ? t("leavesIn", { time: duration(seconds) }) : t("inUse");
  };
  const unload = (/** @type {any} */ model) => tell(post("/api/generate", { model: model.name, keep_alive: 0, stream: false }));
  return html`<section><h2>${t("inMemory")}</h2>
    ${!models.length && !loads.length && html`<p class="faint">${t("nothingLoaded")}</p>`}
    <ul class="model-list">
      ${loads.map((load) => html`<li class="model"><div class="model-main"><strong>${shortName(load.model)}</strong><p class="facts"><span>${t("loading", { time: duration(load.seconds) })}</span></p></div></li>`)}
      ${models.map(
        (model) =>
          html`<li class="model" key=${model.name}>
            <div class="model-main"><strong>${shortName(model.name)}</strong>
              <p class="facts">
                <span>${size(model.size)}</span>
                ${model.size_vram > 0 && html`<span>${t("onCards", { part: percent(model.size_vram / model.size) })}</span>`}
                <span>${t("contextTokens", { n: number(model.context_length) })}</span><span>${until(model)}</span>
              </p>
            </div>
            <button type="button" onClick=${() => unload(model)}>${t("unload")}</button>
          </li>`,
      )}
    </ul>
  </section>`;
}

/** @param {{cards: boolean}} props */
function Plots({ cards }) {
  const kept = history.value;
  const of = (/** @type {string[]} */ ...names) => ["time", ...names].map((name) => kept[name] ?? []);
  const data = useMemo(
    () => ({
      memory: of("used", "models", ...(cards ? ["cards"] : [])),
      queue: of("running", "waiting"),
      speed: of("speed"),
      first: of("first"),
    }),
    [kept, cards],
  );
  const memory = [
    { label: t("machine"), colour: "plot-a" },
    { label: t("models"), colour: "plot-b" },
    ...(cards ? [{ label: t("cards"), colour: "plot-c" }] : []),
  ];
  return html`<div class="plots">
    <${Plot} title=${t("memory")} unit="GB" data=${data.memory} series=${memory} />
    <${Plot} title=${t("queue")} unit="" data=${data.queue} series=${[{ label: t("running"), colour: "plot-a" }, { label: t("waiting"), colour: "plot-b" }]} />
    <${Plot} title=${t("tokensPerSecond")} unit="" data=${data.speed} series=${[{ label: t("lastAnswer"), colour: "plot-a" }]} />
    <${Plot} title=${t("toFirst")} unit="s" data=${data.first} series=${[{ label: t("lastAnswer"), colour: "plot-a" }]} />
  </div>`;
}

/** @param {{queue: any}} props */
function Queue({ queue }) {
  return html`<section><h2>${t("queue")}</h2>
    ${!queue.requests.length
      ? html`<p class="faint">${t("nobodyWaits")}</p>`
      : html`<div class="table" tabindex="0" role="region" aria-label=${t("queue")}><table>
          <thead><tr>${["model", "client", "state", "since", "wait"].map((name, index) => html`<th class=${index > 2 ? "n" : ""}>${t(`col_${name}`)}</th>`)}<th></th></tr></thead>
          <tbody>
            ${queue.requests.map(
              (request) =>
                html`<tr key=${request.id}>
                  <td>${shortName(request.model)}</td><td>${request.client}</td><td>${t(`queue_${request.state}`)}${request.position ? ` ${request.position}` : ""}</td>
                  <td class="n">${duration(request.seconds)}</td><td class="n">${request.estimated_wait == null ? "" : duration(request.estimated_wait)}</td>
                  <td><button type="button" class="quiet" onClick=${() => tell(send("DELETE", `/api/queue/${encodeURIComponent(request.id)}`))}>${t("cancel")}</button></td>
                </tr>`,
            )}
          </tbody></table></div>`}
  </section>`;
}

/** @param {{requests: any[]}} props */
function Requests({ requests }) {
  const [all, setAll] = useState(false);
  const shown = all ? requests : requests.slice(0, SHOWN);
  const columns = ["model", "outcome", "prompt", "cached", "generated", "speed", "first", "duration"];
  return html`<section><h2>${t("lastRequests")}</h2>
    ${!requests.length
      ? html`<p class="faint">${t("noRequests")}</p>`
      : html`<div class="table" tabindex="0" role="region" aria-label=${t("lastRequests")}><table>
          <thead><tr>${columns.map((name, index) => html`<th class=${index > 1 ? "n" : ""}>${t(`col_${name}`)}</th>`)}</tr></thead>
          <tbody>
            ${shown.map(
              (request) =>
                html`<tr key=${request.id}>
                  <td>${shortName(request.model)}</td><td title=${request.error}>${t(`outcome_${request.outcome}`)}</td>
                  <td class="n">${number(request.prompt)}</td><td class="n">${number(request.cached)}</td><td class="n">${number(request.generated)}</td>
                  <td class="n">${request.generated > 1 && request.duration > request.first ? number(speedOf(request), 1) : ""}</td>
                  <td class="n">${request.first ? duration(request.first / 1e9) : ""}</td><td class="n">${duration(request.duration / 1e9)}</td>
                </tr>`,
            )}
          </tbody></table></div>`}
    ${!all && requests.length > SHOWN && html`<button type="button" class="quiet" onClick=${() => setAll(true)}>${t("showAll")}</button>`}
  </section>`;
}

/** @param {{sessions: any}} props */
function Sessions({ sessions }) {
  const list = sessions?.sessions ?? [];
  const total = list.reduce((/** @type {number} */ sum, /** @type {any} */ item) => sum + item.size, 0);
  const clear = () => tell(send("DELETE", "/api/puna/sessions").then(() => notify(t("sessionsCleared"))));
  return html`<section><h2>${t("sessions")}</h2>
    <p class="faint">${sessions?.limit === 0 ? t("sessionsOff") : t("sessionsHelp", { n: list.length, size: size(total), limit: size(sessions?.limit ?? 0) })}</p>
    <ul class="plain-list">${list.slice(0, SHOWN).map((item) => html`<li>${shortName(item.model)} <span class="faint">${t("contextTokens", { n: number(item.tokens) })} · ${size(item.size)} · ${moment(Date.parse(item.used_at))}</span></li>`)}</ul>
    ${list.length > 0 && html`<button type="button" onClick=${clear}>${t("clearSessions")}</button>`}
  </section>`;
}
