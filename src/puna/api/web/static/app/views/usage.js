/** What was used: requests and tokens by day, key and model, of a time that can be chosen. */
import { html, useEffect, useState } from "../html.js";
import { get, send } from "../api/client.js";
import { shortName } from "../state/models.js";
import { notify } from "../state/notices.js";
import { apiKey, sidebarOpen } from "../state/preferences.js";
import { save } from "../state/transfer.js";
import { duration, number } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";

const DAY_MS = 86_400_000;
const PERIODS = [1, 7, 30, 90, 0];
const PARTS = /** @type {const} */ (["day", "key", "model"]);
const COUNTS = /** @type {const} */ (["requests", "prompt_tokens", "cached_tokens", "generated_tokens", "seconds", "refusals"]);

/** @param {number} days today and those before; 0: ever */
const since = (days) => (days ? `since=${new Date(Date.now() - (days - 1) * DAY_MS).toISOString().slice(0, 10)}` : "");

export function Usage() {
  const [days, setDays] = useState(30);
  const [by, setBy] = useState(/** @type {string[]} */ (["key", "model"]));
  const [rows, setRows] = useState(/** @type {any[] | null} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    document.title = `${t("view_usage")} · Puna`;
  }, []);
  useEffect(() => {
    let over = false;
    get(`/api/puna/usage?${since(days)}`).then(
      (found) => over || (setRows(found.usage), setProblem("")),
      (error) => over || setProblem(error.message || t("unreachable")),
    );
    return () => {
      over = true;
    };
  }, [days, apiKey.value]);
  const csv = async () => {
    try {
      const response = await send("GET", `/api/puna/usage?${since(days)}&format=csv`);
      save("puna-usage.csv", await response.text(), "text/csv");
    } catch (error) {
      notify((error instanceof Error && error.message) || t("unreachable"), { bad: true });
    }
  };
  const toggle = (/** @type {string} */ part) => setBy(PARTS.filter((name) => by.includes(name) !== (name === part)));
  return html`<div class="page">
    <header class="view-head">
      <${IconButton} icon="menu" class="narrow" label=${t("showSidebar")} onClick=${() => (sidebarOpen.value = true)} />
      <h1>${t("view_usage")}</h1>
      <span class="push row"><button type="button" onClick=${csv}>${t("asCsv")}</button></span>
    </header>
    <div class="page-body">
      <div class="row filters">
        <label class="row">${t("period")}
          <select value=${days} onChange=${(/** @type {any} */ event) => setDays(Number(event.target.value))}>
            ${PERIODS.map((count) => html`<option value=${count}>${t(`days_${count}`, { n: count })}</option>`)}
          </select>
        </label>
        <fieldset class="row"><legend class="unseen">${t("usageBy")}</legend>
          ${PARTS.map((part) => html`<label class="row"><input type="checkbox" checked=${by.includes(part)} onChange=${() => toggle(part)} />${t(`usage_${part}`)}</label>`)}
        </fieldset>
      </div>
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      ${rows && !rows.length && html`<p class="faint">${t("nothingUsed")}</p>`}
      ${rows && rows.length > 0 && html`<${Table} rows=${added(rows, by)} by=${by} total=${added(rows, [])[0]} />`}
      <p class="faint">${t("usageHelp")}</p>
    </div>
  </div>`;
}

/**
 * Adds up what has the same parts; days come latest first, the rest by tokens.
 * @param {any[]} rows
 * @param {string[]} by
 */
function added(rows, by) {
  /** @type {Map<string, any>} */
  const sums = new Map();
  for (const row of rows) {
    const name = JSON.stringify(by.map((part) => row[part]));
    const sum = sums.get(name) ?? Object.fromEntries([...by.map((part) => [part, row[part]]), ...COUNTS.map((count) => [count, 0])]);
    for (const count of COUNTS) sum[count] += row[count];
    sums.set(name, sum);
  }
  const tokens = (/** @type {any} */ row) => row.prompt_tokens + row.generated_tokens;
  return [...sums.values()].sort((a, b) => (b.day ?? "").localeCompare(a.day ?? "") || tokens(b) - tokens(a));
}

/** @param {{rows: any[], by: string[], total: any}} props */
function Table({ rows, by, total }) {
  const shown = (/** @type {any} */ row, /** @type {string} */ part) =>
    part === "model" ? shortName(row.model) || t("noModel") : part === "key" ? row.key || t("noKey") : row[part];
  const count = (/** @type {any} */ row, /** @type {string} */ name) =>
    name === "seconds" ? duration(row.seconds) : number(row[name]);
  return html`<div class="table" tabindex="0" role="region" aria-label=${t("view_usage")}><table>
    <thead><tr>${by.map((part) => html`<th>${t(`usage_${part}`)}</th>`)}${COUNTS.map((name) => html`<th class="n">${t(`usage_${name}`)}</th>`)}</tr></thead>
    <tbody>
      ${by.length > 0 && rows.map((row) => html`<tr>${by.map((part) => html`<td>${shown(row, part)}</td>`)}${COUNTS.map((name) => html`<td class="n">${count(row, name)}</td>`)}</tr>`)}
      <tr class="total">${by.map((_, index) => html`<th scope="row">${index ? "" : t("total")}</th>`)}${COUNTS.map((name) => html`<td class="n">${count(total, name)}</td>`)}</tr>
    </tbody>
  </table></div>`;
}
