/** The field to write in, with what is attached, and how full the context is. */
import { html, useEffect, useRef, useState } from "../html.js";
import { say, stop } from "../state/answer.js";
import { readFiles } from "../state/attach.js";
import { current, running, runningChanged, signalOf, structure, tree } from "../state/conversations.js";
import { can, models } from "../state/models.js";
import { notify } from "../state/notices.js";
import { number, percent } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { Icon, IconButton } from "../parts/icon.js";
import { composes } from "../parts/keys.js";

const EMPTY = { images: [], audio: [], files: [] };

export function Composer() {
  const conversation = /** @type {import("../state/types.js").Conversation} */ (current.value);
  const [text, setText] = useState("");
  const [attached, setAttached] = useState(/** @type {import("../state/attach.js").Attached} */ (EMPTY));
  const [over, setOver] = useState(false);
  const [waiting, setWaiting] = useState(false); // to send, for the models that are not listed yet
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  runningChanged.value;
  structure.value;
  const mine = [...running.entries()].filter(([, { message }]) => message.conversation === conversation.id);
  const path = tree.path(conversation.choices);
  const last = path.at(-1)?.chosen;
  const empty = !text.trim() && !attached.images.length && !attached.audio.length && !attached.files.length;
  const ready = !empty && !mine.length && conversation.models.length > 0;
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [conversation.id]);
  const take = async (/** @type {File[]} */ files) => {
    const found = await readFiles(files);
    const unable = (/** @type {string} */ what) => conversation.models.filter((name) => !can(name, what)).join(", ");
    if (found.images.length && unable("vision")) notify(t("cannotSee", { name: unable("vision") }), { bad: true });
    if (found.audio.length && unable("audio")) notify(t("cannotHear", { name: unable("audio") }), { bad: true });
    const images = unable("vision") ? [] : found.images;
    const audio = unable("audio") ? [] : found.audio;
    setAttached((before) => ({
      images: [...before.images, ...images],
      audio: [...before.audio, ...audio],
      files: [...before.files, ...found.files],
    }));
  };
  useDrops(take, setOver);
  const send = () => {
    if (!ready) {
      setWaiting(!empty && !conversation.models.length && models.value?.length !== 0);
      return;
    }
    setWaiting(false);
    say({ content: text, ...attached }, last?.id ?? "");
    setText("");
    setAttached(EMPTY);
  };
  useEffect(() => {
    if (waiting && ready) send();
  }, [waiting, ready]);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.shiftKey || composes(event)) return;
    event.preventDefault();
    send();
  };
  const paste = (/** @type {ClipboardEvent} */ event) => {
    const { files = [], types = [] } = event.clipboardData ?? {};
    // Of cells and formatted text, programs for offices give a picture as well.
    if (!files.length || (types.includes("text/plain") && types.includes("text/html"))) return;
    event.preventDefault();
    take([...files]);
  };
  const drop = (/** @type {keyof typeof attached} */ kind, /** @type {number} */ index) =>
    setAttached({ ...attached, [kind]: attached[kind].toSpliced(index, 1) });
  return html`<div class=${`composer ${over ? "over" : ""}`}>
    <div class="composer-box">
      <${Chips} attached=${attached} onDrop=${drop} />
      <textarea
        ref=${field}
        rows="1"
        placeholder=${t("write")}
        aria-label=${t("write")}
        value=${text}
        onInput=${(event) => setText(event.target.value)}
        onKeyDown=${keys}
        onPaste=${paste}
      ></textarea>
      <div class="composer-row">
        <${IconButton} icon="clip" label=${t("attach")} onClick=${() => input.current?.click()} />
        <input ref=${input} class="unseen" type="file" multiple tabindex="-1" aria-hidden="true" onChange=${(event) => (take([...event.target.files]), (event.target.value = ""))} />
        <${Context} path=${path} />
        ${mine.length
          ? html`<button type="button" class="send" aria-label=${t("stop")} title=${t("stop")} onClick=${() => mine.forEach(([id]) => stop(id))}><${Icon} name="stop" /></button>`
          : html`<button type="button" class="send" aria-label=${t("send")} title=${t("send")} disabled=${!ready} onClick=${send}><${Icon} name="send" /></button>`}
      </div>
    </div>
    ${over && html`<div class="drop-here">${t("dropHere")}</div>`}
    ${models.value && !models.value.length && html`<p class="faint"><a href="#/models">${t("noModels")}</a></p>`}
  </div>`;
}

/**
 * Files may be dropped anywhere on the page.
 * @param {(files: File[]) => void} take
 * @param {(over: boolean) => void} setOver
 */
function useDrops(take, setOver) {
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const drag = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type !== "dragleave" || event.relatedTarget !== null);
    };
    const drop = (/** @type {DragEvent} */ event) => {
      setOver(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      latest.current(files);
    };
    const events = /** @type {const} */ (["dragenter", "dragover", "dragleave"]);
    for (const name of events) addEventListener(name, drag);
    addEventListener("drop", drop);
    return () => {
      for (const name of events) removeEventListener(name, drag);
      removeEventListener("drop", drop);
    };
  }, []);
}

/** @param {{attached: import("../state/attach.js").Attached, onDrop: (kind: any, index: number) => void}} props */
function Chips({ attached, onDrop }) {
  const { images, audio, files } = attached;
  if (!images.length && !audio.length && !files.length) return null;
  const close = (/** @type {string} */ kind, /** @type {number} */ index, /** @type {string} */ name) =>
    html`<${IconButton} icon="close" label=${t("dropFile", { name })} onClick=${() => onDrop(kind, index)} />`;
  return html`<div class="chips">
    ${images.map((data, index) => {
      const name = t("pictureN", { n: index + 1 });
      return html`<span class="chip"><img src=${`data:image/png;base64,${data}`} alt=${name} />${close("images", index, name)}</span>`;
    })}
    ${audio.map((_, index) => html`<span class="chip">${t("sound")}${close("audio", index, t("sound"))}</span>`)}
    ${files.map((file, index) => html`<span class="chip">${file.name}${close("files", index, file.name)}</span>`)}
  </div>`;
}

/** How full the context is after the last answer. @param {{path: ReturnType<import("../state/tree.js").Tree["path"]>}} props */
function Context({ path }) {
  const answer = path.findLast(({ chosen }) => chosen.role === "assistant")?.chosen;
  const stats = answer && signalOf(answer).value.stats;
  if (!stats?.context) return html`<span class="context"></span>`;
  const used = stats.prompt + stats.generated;
  const part = Math.min(1, used / stats.context);
  const values = { n: number(used), context: number(stats.context), part: percent(part) };
  return html`<span class=${`context ${part > 0.9 ? "full" : ""}`} title=${t("contextHelp")}>
    <meter min="0" max="1" high="0.9" value=${part} aria-label=${t("context")}></meter>
    <span>${t("contextOf", values)}</span>
  </span>`;
}
