/** One option: its value, its default as what stands there without one, and what it does. */
import { html, useId, useState } from "../html.js";
import { t } from "../text/translate.js";

/**
 * @param {{name: string, kind: import("../text/options.js").Kind, otherwise: string, own: boolean, help: string,
 *   value: unknown, onChange: (value: unknown) => void}} props
 */
export function OptionField({ name, kind, otherwise, own, help, value, onChange }) {
  const id = useId();
  const [text, setText] = useState(textOf(value, kind));
  const [bad, setBad] = useState(false);
  const given = value !== undefined;
  const take = (/** @type {string} */ next) => {
    setText(next);
    const read = valueOf(next, kind);
    setBad(read === null);
    if (read !== null) onChange(read);
  };
  const shownText = !given && !bad ? "" : text;
  return html`<div class=${`option ${given ? "given" : ""} ${["text", "texts", "json"].includes(kind) ? "tall" : ""}`}>
    <label for=${id}><code>${name}</code>${own && html` <span class="badge">${t("ownValue")}</span>`}</label>
    ${kind === "boolean"
      ? html`<select id=${id} aria-describedby=${`${id}-help`} value=${given ? String(value) : ""} onChange=${(event) => take(event.target.value)}>
          <option value="">${t("default", { value: otherwise })}</option>
          <option value="true">true</option>
          <option value="false">false</option>
        </select>`
      : kind === "integer" || kind === "number"
        ? html`<input id=${id} type="number" step=${kind === "integer" ? "1" : "any"} placeholder=${otherwise} aria-describedby=${`${id}-help`} aria-invalid=${String(bad)} value=${shownText} onInput=${(event) => take(event.target.value)} />`
        : html`<textarea id=${id} rows=${text ? 3 : 1} spellcheck="false" placeholder=${otherwise} aria-describedby=${`${id}-help`} aria-invalid=${String(bad)} value=${shownText} onInput=${(event) => take(event.target.value)}></textarea>`}
    <small id=${`${id}-help`}>${help}${kind === "texts" ? ` ${t("onePerLine")}` : ""}</small>
  </div>`;
}

/**
 * @param {unknown} value
 * @param {string} kind
 */
function textOf(value, kind) {
  if (value === undefined) return "";
  if (kind === "texts") return /** @type {string[]} */ (value).join("\n");
  return kind === "json" ? JSON.stringify(value) : String(value);
}

/**
 * Returns the value that a text means, undefined for none, null for one that is not of its kind.
 * @param {string} text
 * @param {string} kind
 */
function valueOf(text, kind) {
  if (!text.trim()) return undefined;
  if (kind === "integer" || kind === "number") return Number.isFinite(Number(text)) ? Number(text) : null;
  if (kind === "boolean") return text === "true";
  if (kind === "texts") return text.split("\n").filter((line) => line !== "");
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
