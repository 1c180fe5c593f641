/** The page's beginning. */
import { html, render } from "./html.js";
import { refused } from "./api/client.js";
import { loadConversations } from "./state/conversations.js";
import { loadModels } from "./state/models.js";
import { notify } from "./state/notices.js";
import { t } from "./text/translate.js";
import { App } from "./views/app.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

await loadConversations();
root.replaceChildren();
render(html`<${App} />`, root);
loadModels().catch((error) => {
  if (!refused.value) notify(error.message || t("unreachable"), { bad: true });
});
