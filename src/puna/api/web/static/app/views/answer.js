/** One answer: who gives it, what it thinks, says and calls, and what is known of how it came about. */
import { html, useEffect, useRef, useState } from "../html.js";
import { goOn, stop } from "../state/answer.js";
import { waits } from "../state/queue.js";
import { language } from "../state/preferences.js";
import { shortName } from "../state/models.js";
import { duration, number, percent } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { MarkdownView } from "../markdown/view.js";
import { copyText } from "../parts/copy.js";
import { Icon, IconButton } from "../parts/icon.js";
import { showPrompt } from "./prompt.js";
import { Tokens } from "./tokens.js";
import { Calls } from "./calls.js";

/** Seconds of thinking that are not worth a figure. */
const BRIEF = 0.05;

/** @typedef {import("../state/types.js").Message & {speed?: number}} Live */

/**
 * @param {{live: {value: Live}, last: boolean, onAgain: () => void,
 *   choice: {chosen: boolean, choose: () => void} | null}} props
 */
export function Answer({ live, last, onAgain, choice }) {
  const message = live.value;
  const [tokens, setTokens] = useState(false);
  const busy = message.state === "waiting" || message.state === "streaming";
  return html`<article class=${`answer ${busy ? "busy" : ""} ${choice && !choice.chosen ? "aside" : ""}`} aria-busy=${String(busy)}>
    <h2 class="who">
      ${shortName(message.model || t("assistant"))}
      ${choice &&
      html`<button type="button" class="quiet push" aria-pressed=${String(choice.chosen)} onClick=${choice.choose}>
        ${t(choice.chosen ? "goesOn" : "goOnWith")}
      </button>`}
    </h2>
    <${LeftOut} stats=${message.stats} />
    ${message.thinking && html`<${Thinking} live=${live} />`}
    ${tokens && message.tokens ? html`<${Tokens} tokens=${message.tokens} />` : html`<${Prose} live=${live} field="content" />`}
    ${message.toolCalls && html`<${Calls} message=${message} busy=${busy} last=${last} />`}
    ${message.state === "waiting" && !message.content && html`<${Waiting} id=${message.id} />`}
    ${message.error && html`<p class="problem" role="alert">${message.error}</p>`}
    <${Facts} message=${message} />
    <div class="actions">
      ${busy
        ? html`<button type="button" class="quiet" onClick=${() => stop(message.id)}><${Icon} name="stop" />${t("stop")}</button>`
        : html`<${IconButton} icon="copy" label=${t("copyAnswer")} onClick=${() => copyText(message.content)} />
            <${IconButton} icon="again" label=${t("again")} onClick=${onAgain} />
            ${last && message.content && html`<${IconButton} icon="on" label=${t("goOn")} onClick=${() => goOn(message)} />`}
            ${message.tokens && html`<${IconButton} icon="bars" label=${t("tokens")} aria-pressed=${String(tokens)} onClick=${() => setTokens(!tokens)} />`}
            <${IconButton} icon="text" label=${t("prompt")} onClick=${() => showPrompt(message)} />`}
    </div>
  </article>`;
}

/** Text that grows, as Markdown. @param {{live: {value: Live}, field: "content" | "thinking"}} props */
export function Prose({ live, field }) {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const view = useRef(/** @type {MarkdownView | null} */ (null));
  const words = language();
  const message = live.value;
  useEffect(() => {
    view.current = new MarkdownView(/** @type {HTMLElement} */ (ref.current));
    return () => view.current?.close();
  }, [words]);
  useEffect(() => {
    view.current?.update(message[field] ?? "", message.state !== "waiting" && message.state !== "streaming");
  }, [words, message[field], message.state]);
  return html`<div class=${`prose ${field}`} ref=${ref}></div>`;
}

/** Thoughts, folded away, with how long they took. @param {{live: {value: Live}}} props */
function Thinking({ live }) {
  const { content, state, thinkingSeconds = 0 } = live.value;
  const goesOn = state === "streaming" && !content;
  const [open, setOpen] = useState(false);
  const time = { time: duration(thinkingSeconds) };
  const words = goesOn ? t("thinksFor", time) : thinkingSeconds < BRIEF ? t("thought") : t("thoughtFor", time);
  return html`<details class="thoughts" onToggle=${(event) => setOpen(event.target.open)}>
    <summary class=${goesOn ? "shimmer" : ""}>${words}</summary>
    ${open && html`<${Prose} live=${live} field="thinking" />`}
  </details>`;
}

/** What an answer waits for, in words. @param {{id: string}} props */
function Waiting({ id }) {
  const wait = waits.value[id];
  let words = t("asked");
  if (wait?.kind === "queue") {
    words = wait.position ? t("inQueue", { n: number(wait.position) }) : t("nextInQueue");
    words += wait.wait == null ? "" : ` ${t("aboutWait", { time: duration(wait.wait) })}`;
  } else if (wait?.kind === "load") words = t("loading", { time: duration(wait.seconds ?? 0) });
  else if (wait?.kind === "reading") words = t("reading", { time: duration(wait.seconds ?? 0) });
  return html`<p class="waiting" role="status"><span class="dot"></span>${words}</p>`;
}

/** What did not fit into the context. @param {{stats?: import("../state/types.js").Stats}} props */
function LeftOut({ stats }) {
  if (!stats?.droppedTokens && !stats?.droppedMessages) return null;
  const values = { n: number(stats.droppedMessages ?? 0), tokens: number(stats.droppedTokens ?? 0), context: number(stats.context ?? 0) };
  return html`<p class="left-out">${t(stats.droppedMessages ? "leftOut" : "cutText", values)}</p>`;
}

/** The figures of an answer. @param {{message: Live}} props */
function Facts({ message }) {
  const { stats, state, speed = 0 } = message;
  if (state === "streaming") {
    return speed ? html`<p class="facts">${t("speed", { n: number(speed, speed < 20 ? 1 : 0) })}</p>` : null;
  }
  if (!stats) return state === "stopped" && !message.error ? html`<p class="facts">${t("stopped")}</p>` : null;
  const facts = [t("generated", { n: number(stats.generated) })];
  if (stats.seconds > 0) facts.push(t("speed", { n: number(stats.generated / stats.seconds, 1) }));
  facts.push(t("firstAfter", { time: duration(stats.firstSeconds) }));
  facts.push(t("promptOf", { n: number(stats.prompt) }));
  if (stats.cached !== undefined && stats.prompt) {
    facts.push(t("cachedOf", { n: number(stats.cached), part: percent(stats.cached / stats.prompt) }));
  }
  if (stats.reason === "length") facts.push(t("cutAnswer"));
  if (state === "stopped") facts.push(t("stopped"));
  return html`<p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}</p>`;
}
