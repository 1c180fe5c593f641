/** The engine that runs models: what it uses of this machine, and whether another would be faster. */
import { html } from "../html.js";
import { engine, engineOf, tunedOf } from "../state/engine.js";
import { moment, number } from "../text/numbers.js";
import { t } from "../text/translate.js";

export function Engine() {
  const found = engine.value;
  if (!found) return null;
  const { cards, instructions, unused_instructions: unused, factor } = found;
  return html`<section class="engine">
    <h2>${t("engine")}</h2>
    <p><strong>${found.engine}</strong> <span class="faint">llama.cpp ${found.version}</span></p>
    <p class="faint">${t("engineUses", { names: [...cards, ...instructions].join(", ") || "–" })}${unused.length > 0 && ` ${t("engineUnused", { names: unused.join(", ") })}`}</p>
    ${factor > 0 && html`<p class="fit fair">${t("engineFaster", { factor: number(factor, 1) })} <code>puna engine build</code></p>`}
    <${Builds} builds=${Object.entries(found.builds)} />
  </section>`;
}

/** @param {{builds: [string, any][]}} props */
function Builds({ builds }) {
  if (!builds.length) return null;
  const times = (/** @type {any} */ about, /** @type {string} */ what) =>
    about.speed && about.portable_speed ? `${number(about.speed[what] / about.portable_speed[what], 2)}×` : "";
  return html`<div class="table" tabindex="0" role="region" aria-label=${t("builds")}><table>
    <thead><tr><th>${t("builds")}</th><th>llama.cpp</th><th class="n">${t("timesPrompt")}</th><th class="n">${t("timesAnswer")}</th></tr></thead>
    <tbody>${builds.map(([name, about]) => html`<tr><td>${name}</td><td>${about.version}</td><td class="n">${times(about, "prompt")}</td><td class="n">${times(about, "generation")}</td></tr>`)}</tbody>
  </table></div>`;
}

/** What runs one model, and how it runs since it was measured. @param {{name: string}} props */
export function Tuned({ name }) {
  const measured = tunedOf(name);
  return html`<p class="faint">${t("runsOn", { engine: engineOf(name) })} ${!measured.length && html`${t("notTuned")} <code>puna tune ${name.replace(/:latest$/, "")}</code>`}</p>
    ${measured.map(
      (entry) =>
        html`<p class="faint">${t("tuned", { day: moment(Date.parse(entry.measured_at)), how: entry.runs_with })} ${Object.entries(entry.speeds)
          .map(([what, ratio]) => `${what} ${number(ratio, 2)}×`)
          .join(", ")}</p>`,
    )}`;
}
