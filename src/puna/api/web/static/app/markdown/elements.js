/**
 * Tokens into elements. Nothing here reads HTML: a model's text only ever becomes text, and links that lead to the web.
 */
import { t } from "../text/translate.js";
import { codeBlock } from "./code.js";
import { math } from "./math.js";

const LEADS_OUT = /^(?:https?:|mailto:)/i;
const DEEPEST = 24;

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 */
export function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * @param {any} token of a block
 * @param {boolean} [open] whether the text may still go on in it
 * @param {number} [depth]
 * @returns {Node | null}
 */
export function block(token, open = false, depth = 0) {
  if (depth > DEEPEST) return element("p", {}, [token.raw]);
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "hr":
      return element("hr");
    case "heading": // the page's own headings are the first two
      return element(`h${Math.min(6, token.depth + 2)}`, {}, inline(token.tokens, depth));
    case "code":
      return codeBlock(token.text, (token.lang ?? "").trim().split(/\s/, 1)[0], open);
    case "blockquote":
      return element("blockquote", {}, blocks(token.tokens, depth));
    case "list":
      return list(token, depth);
    case "table":
      return table(token, depth);
    case "blockMath":
      return math(token.text, true);
    case "paragraph":
      return element("p", {}, inline(token.tokens, depth));
    case "text":
      return element("p", {}, token.tokens ? inline(token.tokens, depth) : [token.text]);
    default: // HTML among them
      return element("p", { class: "plain" }, [token.raw.replace(/\n+$/, "")]);
  }
}

/**
 * @param {any[]} tokens
 * @param {number} depth
 * @returns {Node[]}
 */
function blocks(tokens, depth) {
  return tokens.map((token) => block(token, false, depth + 1)).filter((node) => node !== null);
}

/**
 * @param {any} token
 * @param {number} depth
 */
function list(token, depth) {
  const items = token.items.map((/** @type {any} */ item) => {
    const inner = item.tokens.flatMap((/** @type {any} */ part) =>
      part.type === "text" && !item.loose
        ? inline(part.tokens ?? [{ type: "text", text: part.text }], depth)
        : part.type === "checkbox"
          ? []
          : blocks([part], depth),
    );
    if (!item.task) return element("li", {}, inner);
    const mark = element("span", { class: "task", role: "img", "aria-label": t(item.checked ? "taskDone" : "taskOpen") });
    mark.textContent = item.checked ? "☑" : "☐";
    return element("li", { class: "task-item" }, [mark, " ", ...inner]);
  });
  const start = Number.isInteger(token.start) && token.start !== 1 ? { start: String(token.start) } : {};
  return element(token.ordered ? "ol" : "ul", start, items);
}

/**
 * @param {any} token
 * @param {number} depth
 */
function table(token, depth) {
  const cell = (/** @type {string} */ tag) => (/** @type {any} */ item) =>
    element(tag, item.align ? { class: `align-${item.align}` } : {}, inline(item.tokens, depth));
  const head = element("thead", {}, [element("tr", {}, token.header.map(cell("th")))]);
  const rows = token.rows.map((/** @type {any[]} */ row) => element("tr", {}, row.map(cell("td"))));
  const made = element("table", {}, [head, element("tbody", {}, rows)]);
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("table") }, [made]);
}

/**
 * @param {any[]} tokens
 * @param {number} depth
 * @returns {(Node | string)[]}
 */
function inline(tokens, depth) {
  if (depth > DEEPEST) return tokens.map((token) => token.raw);
  return tokens.map((token) => span(token, depth + 1));
}

/**
 * @param {any} token
 * @param {number} depth
 * @returns {Node | string}
 */
function span(token, depth) {
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      return element(token.type, {}, inline(token.tokens, depth));
    case "codespan":
      return element("code", {}, [token.text]);
    case "br":
      return element("br");
    case "link":
      return link(token.href, inline(token.tokens, depth));
    case "image": // nothing is loaded from elsewhere, so that nobody learns of it
      return link(token.href, [`${t("picture")}: ${token.text || token.href}`]);
    case "inlineMath":
      return math(token.text, false);
    case "escape":
      return token.text;
    case "text":
      return token.tokens ? element("span", {}, inline(token.tokens, depth)) : unescaped(token);
    default:
      return token.raw;
  }
}

/** The text as it was written: entities stay what they are, for nothing here reads HTML. @param {any} token */
function unescaped(token) {
  return token.raw ?? token.text;
}

/**
 * @param {string} href
 * @param {(Node | string)[]} children
 */
function link(href, children) {
  if (!LEADS_OUT.test(href)) return element("span", { class: "no-link", title: href }, children);
  return element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow", title: href }, children);
}
