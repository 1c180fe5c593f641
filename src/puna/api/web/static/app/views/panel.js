/** The settings of a conversation: system prompt, thinking, form of the answer, functions and every option. */
import { html, useEffect, useRef, useState } from "../html.js";
import { change, current } from "../state/conversations.js";
import { remember } from "../state/storage.js";
import { notify } from "../state/notices.js";
import { can, show, shown } from "../state/models.js";
import { COMMON, OPTIONS } from "../text/options.js";
import { language } from "../state/preferences.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";
import { composes } from "../parts/keys.js";
import { OptionField } from "./option.js";

const SCHEMA = `{
  "type": "object",
  "required": ["answer"],
  "properties": {
    "answer": {"type": "string"}
  }
}`;
const TOOLS = `[
  {
    "type": "function",
    "function": {
      "name": "get_weather",
      "description": "Tell the weather of a city",
      "parameters": {
        "type": "object",
        "required": ["city"],
        "properties": {"city": {"type": "string"}}
      }
    }
  }
]`;

/** @param {{onClose: () => void}} props */
export function Panel({ onClose }) {
  const conversation = /** @type {import("../state/types.js").Conversation} */ (current.value);
  const { settings } = conversation;
  const model = conversation.models[0];
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    box.current?.focus();
    return () => before?.focus();
  }, []);
  useEffect(() => {
    if (model) show(model).catch(() => {});
  }, [model]);
  const set = (/** @type {Partial<typeof settings>} */ changes) => change({ settings: { ...settings, ...changes } });
  const own = parametersOf(shown.value[model]?.parameters ?? "");
  const option = ([name, kind, otherwise, english, chinese]) =>
    html`<${OptionField}
      key=${name}
      name=${name}
      kind=${kind}
      otherwise=${own[name] ?? otherwise}
      own=${name in own}
      help=${language() === "zh" ? chinese : english}
      value=${settings.options[name]}
      onChange=${(value) => set({ options: withOption(settings.options, name, value) })}
    />`;
  const common = OPTIONS.filter(([name]) => COMMON.includes(name));
  const others = OPTIONS.filter(([name]) => !COMMON.includes(name));
  const keep = () => {
    remember("defaults", settings);
    notify(t("keptAsDefault"));
  };
  return html`<aside class="panel" ref=${box} tabindex="-1" aria-label=${t("settings")} onKeyDown=${(event) => event.key === "Escape" && !composes(event) && onClose()}>
    <header class="dialog-head"><h2>${t("settings")}</h2><${IconButton} icon="close" label=${t("close")} onClick=${onClose} /></header>
    <label class="field">
      <span>${t("system")}</span>
      <textarea rows="4" placeholder=${shown.value[model]?.system || t("systemNone")} value=${settings.system} onInput=${(event) => set({ system: event.target.value })}></textarea>
    </label>
    <label class="field">
      <span>${t("thinking")}</span>
      <select value=${settings.think} onChange=${(event) => set({ think: event.target.value })}>
        ${["", "on", "off", "low", "medium", "high"].map((value) => html`<option value=${value}>${t(`think_${value || "model"}`)}</option>`)}
      </select>
      ${model && settings.think && settings.think !== "off" && !can(model, "thinking") && html`<small class="warn">${t("cannotThink")}</small>`}
    </label>
    <${Format} value=${settings.format} onChange=${(format) => set({ format })} />
    <details class="group" open=${Boolean(settings.tools)}>
      <summary>${t("tools")}</summary>
      <${Json} label=${t("toolsHelp")} rows="8" value=${settings.tools} example=${TOOLS} onChange=${(tools) => set({ tools })} />
      ${model && settings.tools && !can(model, "tools") && html`<small class="warn">${t("cannotCall")}</small>`}
    </details>
    <label class="check">
      <input type="checkbox" checked=${settings.logprobs} onChange=${(event) => set({ logprobs: event.target.checked })} />
      <span>${t("logprobs")}<small>${t("logprobsHelp")}</small></span>
    </label>
    <h3>${t("options")}</h3>
    <div class="options">${common.map(option)}</div>
    <details class="group">
      <summary>${t("moreOptions", { n: others.length })}</summary>
      <div class="options">${others.map(option)}</div>
    </details>
    <div class="row end">
      <button type="button" onClick=${() => set({ options: {} })} disabled=${!Object.keys(settings.options).length}>${t("resetOptions")}</button>
      <button type="button" onClick=${keep}>${t("keepAsDefault")}</button>
    </div>
  </aside>`;
}

/**
 * The parameters that a model carries, out of the lines of `/api/show`.
 * @param {string} text
 * @returns {Record<string, string>}
 */
function parametersOf(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)\s+(.*)$/gm)].map(([, name, value]) => [name, value]));
}

/**
 * @param {Record<string, unknown>} options
 * @param {string} name
 * @param {unknown} value undefined: the default
 */
function withOption(options, name, value) {
  const { [name]: _, ...rest } = options;
  return value === undefined ? rest : { ...rest, [name]: value };
}

/** The form of the answer. @param {{value: string, onChange: (value: string) => void}} props */
function Format({ value, onChange }) {
  const [kind, setKind] = useState(value === "" || value === "json" ? value : "schema");
  const pick = (/** @type {string} */ next) => {
    setKind(next);
    onChange(next === "schema" ? SCHEMA : next);
  };
  return html`<div class="field">
    <label class="field">
      <span>${t("format")}</span>
      <select value=${kind} onChange=${(event) => pick(event.target.value)}>
        ${["", "json", "schema"].map((name) => html`<option value=${name}>${t(`format_${name || "none"}`)}</option>`)}
      </select>
    </label>
    ${kind === "schema" && html`<${Json} label=${t("schema")} rows="8" value=${value} example=${SCHEMA} onChange=${onChange} />`}
  </div>`;
}

/** JSON that is checked while it is written; only what can be read is used. @param {{label: string, rows: string, value: string, example: string, onChange: (value: string) => void}} props */
function Json({ label, rows, value, example, onChange }) {
  const [text, setText] = useState(value);
  const [problem, setProblem] = useState("");
  const take = (/** @type {string} */ next) => {
    setText(next);
    try {
      if (next.trim()) JSON.parse(next);
      setProblem("");
      onChange(next);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return html`<label class="field">
    <small>${label}</small>
    <textarea class="code" rows=${rows} spellcheck="false" aria-invalid=${String(Boolean(problem))} value=${text} onInput=${(event) => take(event.target.value)}></textarea>
    ${problem && html`<small class="warn" role="alert">${problem}</small>`}
    ${!text.trim() && html`<button type="button" class="quiet" onClick=${() => take(example)}>${t("example")}</button>`}
  </label>`;
}
