/** The frame of the page: the sidebar, and the view that the address names. */
import { html, useEffect, useRef } from "../html.js";
import { sidebarOpen } from "../state/preferences.js";
import { dismiss, notices } from "../state/notices.js";
import { route } from "../state/route.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";
import { Chat } from "./chat.js";
import { KeyDialog } from "./key.js";
import { Models } from "./models.js";
import { Now } from "./now.js";
import { Sidebar } from "./sidebar.js";
import { Usage } from "./usage.js";

export function App() {
  const { view, rest } = route.value;
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    sidebarOpen.value = false;
  }, [view, rest]);
  useEffect(() => {
    const close = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") sidebarOpen.value = false;
    };
    addEventListener("keydown", close);
    return () => removeEventListener("keydown", close);
  }, []);
  return html`<div class=${`frame ${sidebarOpen.value ? "open" : ""}`}>
    <button type="button" class="skip" onClick=${() => main.current?.focus()}>${t("skip")}</button>
    <${Sidebar} />
    <div class="veil" onClick=${() => (sidebarOpen.value = false)}></div>
    <main ref=${main} tabindex="-1">
      ${view === "models" ? html`<${Models} name=${rest} />` : view === "now" ? html`<${Now} />` : view === "usage" ? html`<${Usage} />` : html`<${Chat} id=${rest} />`}
    </main>
    <${Notices} />
    <${KeyDialog} />
  </div>`;
}

const Notices = () =>
  html`<div class="notices" role="status" aria-live="polite">
    ${notices.value.map(
      (notice) =>
        html`<div key=${notice.id} class=${`notice ${notice.bad ? "bad" : ""}`}>
          <span>${notice.text}</span>
          <${IconButton} icon="close" label=${t("close")} onClick=${() => dismiss(notice.id)} />
        </div>`,
    )}
  </div>`;
