/** Asks for a key where the server wants one, and for the page's other preferences. */
import { html, signal, useState } from "../html.js";
import { refused } from "../api/client.js";
import { apiKey, chosenLanguage, theme } from "../state/preferences.js";
import { loadModels } from "../state/models.js";
import { t } from "../text/translate.js";
import { Dialog } from "../parts/dialog.js";

export const preferencesOpen = signal(false);

/** @param {{onDone: () => void}} props */
function KeyField({ onDone }) {
  const [key, setKey] = useState(apiKey.value);
  const keep = async (/** @type {Event} */ event) => {
    event.preventDefault();
    apiKey.value = key.trim();
    refused.value = false;
    onDone();
    await loadModels().catch(() => {});
  };
  return html`<form class="stack" onSubmit=${keep}>
    <label class="field">
      <span>${t("key")}</span>
      <input type="password" autocomplete="off" value=${key} onInput=${(event) => setKey(event.target.value)} />
      <small>${t("keyHelp")}</small>
    </label>
    <div class="row end"><button type="submit" class="primary">${t("keep")}</button></div>
  </form>`;
}

export function KeyDialog() {
  if (refused.value) {
    const close = () => (refused.value = false);
    return html`<${Dialog} title=${t("keyWanted")} onClose=${close}><${KeyField} onDone=${close} /><//>`;
  }
  if (!preferencesOpen.value) return null;
  const close = () => (preferencesOpen.value = false);
  return html`<${Dialog} title=${t("preferences")} onClose=${close}>
    <div class="stack">
      <label class="field">
        <span>${t("theme")}</span>
        <select value=${theme.value} onChange=${(event) => (theme.value = event.target.value)}>
          ${["system", "light", "dark"].map((name) => html`<option value=${name}>${t(`theme_${name}`)}</option>`)}
        </select>
      </label>
      <label class="field">
        <span>${t("language")}</span>
        <select value=${chosenLanguage.value} onChange=${(event) => (chosenLanguage.value = event.target.value)}>
          <option value="">${t("browsers")}</option>
          <option value="en" lang="en">English</option>
          <option value="zh" lang="zh">中文</option>
        </select>
      </label>
      <${KeyField} onDone=${close} />
    </div>
  <//>`;
}
