/** The prompt exactly as the model got it. */
import { html, signal } from "../html.js";
import { post } from "../api/client.js";
import { bodyOf } from "../state/body.js";
import { current, tree } from "../state/conversations.js";
import { number } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { copyText } from "../parts/copy.js";
import { Dialog } from "../parts/dialog.js";

/** @type {{value: {text: string, bad?: boolean, stats?: import("../state/types.js").Stats} | null}} */
const shown = signal(null);

/** @param {import("../state/types.js").Message} message an answer */
export async function showPrompt(message) {
  const conversation = /** @type {import("../state/types.js").Conversation} */ (current.value);
  const { stats, settings = conversation.settings } = message;
  const model = message.model || conversation.models[0];
  const waiting = (shown.value = { text: "…", stats });
  const tell = (/** @type {typeof shown.value} */ found) => {
    if (shown.value === waiting) shown.value = found; // else it was closed, or another one opened
  };
  try {
    const body = bodyOf(settings, tree.history(message.parent, model), model);
    const rendered = await post("/api/chat", { ...body, stream: false, _debug_render_only: true });
    tell({ text: rendered._debug_info.rendered_template, stats });
  } catch (error) {
    tell({ text: (error instanceof Error && error.message) || t("unreachable"), bad: true });
  }
}

export function PromptDialog() {
  const prompt = shown.value;
  if (!prompt) return null;
  const { stats } = prompt;
  return html`<${Dialog} wide title=${t("prompt")} onClose=${() => (shown.value = null)}>
    <p class="faint">
      ${t("promptHelp")}
      ${stats?.prompt ? ` ${t("promptOf", { n: number(stats.prompt) })}.` : ""}
      ${stats?.cached !== undefined ? ` ${t("cachedWords", { n: number(stats.cached), rest: number(stats.prompt - stats.cached) })}` : ""}
    </p>
    <pre class=${`raw-prompt ${prompt.bad ? "problem" : ""}`} tabindex="0">${prompt.text}</pre>
    <div class="row end"><button type="button" onClick=${() => copyText(prompt.text)}>${t("copy")}</button></div>
  <//>`;
}
