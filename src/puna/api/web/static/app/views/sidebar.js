/** The conversations, to be searched and opened, and the way to the other views. */
import { html, useEffect, useRef, useState } from "../html.js";
import { conversationsWith } from "../state/database.js";
import { conversations, current, remove, rename, takeIn } from "../state/conversations.js";
import { notify } from "../state/notices.js";
import { go, route } from "../state/route.js";
import { read, save, toJson, toMarkdown } from "../state/transfer.js";
import { moment } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { Confirm } from "../parts/dialog.js";
import { Icon, IconButton } from "../parts/icon.js";
import { composes } from "../parts/keys.js";
import { Menu } from "../parts/menu.js";
import { preferencesOpen } from "./key.js";

const SEARCH_MS = 200;
const VIEWS = /** @type {const} */ ([
  ["chat", "chat"],
  ["models", "cube"],
  ["now", "pulse"],
  ["usage", "bars"],
]);

export function Sidebar() {
  const [text, setText] = useState("");
  const [found, setFound] = useState(/** @type {Set<string> | null} */ (null));
  useEffect(() => {
    if (!text.trim()) return setFound(null);
    const timer = setTimeout(async () => setFound(await conversationsWith(text.trim()).catch(() => new Set())), SEARCH_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const wanted = text.trim().toLowerCase();
  const list = conversations.value.filter(
    ({ id, title }) => !found || found.has(id) || title.toLowerCase().includes(wanted),
  );
  return html`<nav class="sidebar" aria-label=${t("conversations")}>
    <div class="brand"><${Mark} /><strong>Puna</strong>
      <${IconButton} icon="gear" class="push" label=${t("preferences")} onClick=${() => (preferencesOpen.value = true)} />
      <${Files} />
    </div>
    <button type="button" class="new" onClick=${() => go("chat")}><${Icon} name="plus" />${t("newChat")}</button>
    <label class="search">
      <${Icon} name="search" />
      <input type="search" placeholder=${t("search")} aria-label=${t("search")} value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>
    <ul class="conversations">
      ${list.map((conversation) => html`<${Entry} key=${conversation.id} conversation=${conversation} />`)}
      ${!list.length && html`<li class="faint">${t(wanted ? "nothingFound" : "noConversations")}</li>`}
    </ul>
    <div class="views">
      ${VIEWS.map(
        ([view, icon]) =>
          html`<a href=${`#/${view}`} aria-current=${route.value.view === view ? "page" : undefined}>
            <${Icon} name=${icon} />${t(`view_${view}`)}
          </a>`,
      )}
    </div>
  </nav>`;
}

const Mark = () =>
  html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M3 24.500 11.500 9l5.200 8.200 3-4.700L29 24.500z" /></svg>`;

/** @param {{conversation: import("../state/types.js").Conversation}} props */
function Entry({ conversation }) {
  const [doing, setDoing] = useState("");
  const { id, title } = conversation;
  const active = route.value.view === "chat" && current.value?.id === id;
  const items = [
    { label: t("rename"), onClick: () => setDoing("rename") },
    { label: t("asMarkdown"), onClick: async () => save(`${fileName(title)}.md`, await toMarkdown(conversation), "text/markdown") },
    { label: t("asJson"), onClick: async () => save(`${fileName(title)}.json`, await toJson([conversation]), "application/json") },
    { label: t("remove"), onClick: () => setDoing("remove"), danger: true },
  ];
  if (doing === "rename") {
    const keep = (/** @type {any} */ event) => {
      const value = event.target.value.trim();
      if (value && value !== title) rename(id, value);
      setDoing("");
    };
    const keys = (/** @type {any} */ event) => {
      if (composes(event)) return;
      if (event.key === "Escape") event.target.value = title; // a field that goes is left, which keeps its value
      if (event.key === "Enter" || event.key === "Escape") keep(event);
    };
    return html`<li><input class="rename" aria-label=${t("rename")} autofocus ref=${focus} value=${title} onBlur=${keep} onKeyDown=${keys} /></li>`;
  }
  const drop = async () => {
    await remove(id);
    if (active) go("chat");
  };
  return html`<li class=${active ? "active" : ""}>
    <a href=${`#/chat/${id}`} title=${`${title}\n${moment(conversation.updated)}`} aria-current=${active ? "page" : undefined}>${title || t("untitled")}</a>
    <${Menu} label=${t("actionsFor", { name: title })} items=${items} />
    ${doing === "remove" &&
    html`<${Confirm} title=${t("removeChat")} action=${t("remove")} onYes=${drop} onClose=${() => setDoing("")}>${title}<//>`}
  </li>`;
}

/** @param {HTMLElement | null} element */
const focus = (element) => element?.focus();

/** @param {string} title */
const fileName = (title) => title.replace(/[^\p{L}\p{N} _-]+/gu, "").trim().slice(0, 60) || "conversation";

/** Import and export of all. */
function Files() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = async (/** @type {any} */ event) => {
    try {
      const lists = await Promise.all([...event.target.files].map(async (file) => read(await file.text())));
      await takeIn(lists.flat());
      notify(t("taken", { n: lists.flat().length }));
    } catch (error) {
      notify(t("cannotRead", { reason: error instanceof Error ? error.message : String(error) }), { bad: true });
    }
    event.target.value = "";
  };
  const all = async () => save("puna-conversations.json", await toJson(conversations.value), "application/json");
  return html`<span>
    <input ref=${input} class="unseen" type="file" multiple accept=".json,.md,application/json,text/markdown" tabindex="-1" aria-hidden="true" onChange=${take} />
    <${Menu}
      label=${t("files")}
      items=${[
        { label: t("import"), onClick: () => input.current?.click() },
        { label: t("exportAll"), onClick: all },
      ]}
    />
  </span>`;
}
