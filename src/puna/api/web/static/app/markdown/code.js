/** Blocks of code: their language, a button that copies them, and colours once the library for it is here. */
import { copyText } from "../parts/copy.js";
import { inSlices } from "../state/slices.js";
import { t } from "../text/translate.js";
import { element } from "./elements.js";

const LARGEST = 20_000;
/** @type {any} */
let library;
/** @type {Promise<any> | undefined} */
let coming;

const load = () =>
  (coming ??= import("../../vendor/highlight.js").then((module) => {
    library = module.default;
    return library;
  }));

/**
 * @param {string} text
 * @param {string} language as the fence names it
 * @param {boolean} open whether more is to come: then it stays plain
 */
export function codeBlock(text, language, open) {
  const code = element("code", {}, [text]);
  const button = element("button", { type: "button", class: "quiet" }, [t("copy")]);
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(code.textContent ?? "")) ? t("copied") : t("notCopied");
    setTimeout(() => (button.textContent = t("copy")), 1500);
  });
  const caption = element("figcaption", {}, [element("span", {}, [language || t("code")]), button]);
  const pre = element("pre", { tabindex: "0", "aria-label": language || t("code"), role: "region" }, [code]);
  if (language && !open && text.length <= LARGEST) colour(code, text, language.toLowerCase());
  return element("figure", { class: "code" }, [caption, pre]);
}

/**
 * @param {HTMLElement} code
 * @param {string} text
 * @param {string} language
 */
function colour(code, text, language) {
  const work = () => {
    if (!library.getLanguage(language)) return false;
    const found = library.highlight(text, { language, ignoreIllegals: true });
    code.replaceChildren(...nodes(found._emitter.rootNode.children));
    return false;
  };
  if (library) inSlices(work);
  else load().then(() => inSlices(work)).catch(() => {});
}

/**
 * The library's own tree of scopes; its HTML is not needed.
 * @param {any[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.map((child) => {
    if (typeof child === "string") return child;
    const scope = String(child.scope ?? "").split(".");
    const names = [`hljs-${scope[0]}`, ...scope.slice(1).map((name) => `${name}_`)];
    return element("span", child.scope ? { class: names.join(" ") } : {}, nodes(child.children));
  });
}
