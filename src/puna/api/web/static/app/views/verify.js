/** Reads models from disk again, and mends what is damaged. */
import { html, signal } from "../html.js";
import { stream } from "../api/client.js";
import { loadModels, shortName } from "../state/models.js";
import { size } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { Dialog } from "../parts/dialog.js";

/** @type {{value: {name: string, status: string, total: number, completed: number, report?: any, problem?: string} | null}} */
const run = signal(null);
/** @type {AbortController | undefined} */
let abort;

/** @param {string} name "" for all */
export const verify = (name) => follow(name, "/api/puna/verify");

/**
 * @param {string} name
 * @param {string} path
 */
async function follow(name, path) {
  abort?.abort();
  const mine = (abort = new AbortController());
  run.value = { name, status: "", total: 0, completed: 0 };
  const set = (/** @type {any} */ changes) => {
    if (abort === mine && run.value) run.value = { ...run.value, ...changes };
  };
  try {
    for await (const item of stream(path, name ? { model: name } : {}, { signal: mine.signal })) {
      set({ status: item.status ?? "", total: item.total ?? 0, completed: item.completed ?? 0, report: item.report });
    }
    await loadModels();
  } catch (error) {
    if (!mine.signal.aborted) set({ problem: (error instanceof Error && error.message) || t("unreachable") });
  }
}

export function Verify() {
  const state = run.value;
  if (!state) return null;
  const { name, report, problem } = state;
  const close = () => {
    abort?.abort();
    run.value = null;
  };
  return html`<${Dialog} title=${name ? t("verifyOf", { name: shortName(name) }) : t("verifyAll")} onClose=${close}>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${!report && !problem && html`<p class="faint">${state.status}</p><progress max=${state.total || 1} value=${state.total ? state.completed : undefined} aria-label=${t("verify")}></progress>`}
    ${report && html`<${Report} report=${report} onRepair=${() => follow(name, "/api/puna/repair")} />`}
  <//>`;
}

/** @param {{report: any, onRepair: () => void}} props */
function Report({ report, onRepair }) {
  const { ok, checked, findings = [], broken = [], warnings = [] } = report;
  const worst = findings.some((finding) => ["damaged", "missing", "unreadable"].includes(finding.state));
  return html`<p role="status" class=${ok ? "fit good" : "fit bad"}>${t(ok ? "allRight" : "notRight", { n: checked, size: size(report.size ?? 0) })}</p>
    <ul class="findings">
      ${findings.map((finding) => html`<li><span class="badge">${t(`state_${finding.state}`)}</span> <code>${finding.digest.slice(0, 19)}</code> ${size(finding.size ?? 0)} ${(finding.models ?? []).join(", ")} ${finding.note ?? ""}</li>`)}
      ${[...broken, ...warnings].map((text) => html`<li>${typeof text === "string" ? text : JSON.stringify(text)}</li>`)}
    </ul>
    ${(worst || broken.length > 0) && html`<div class="row end"><button type="button" class="primary" onClick=${onRepair}>${t("repair")}</button></div>`}`;
}
