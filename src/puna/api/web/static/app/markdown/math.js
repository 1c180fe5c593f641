/** Mathematics as MathML, by Temml, which is loaded at the first formula. */
import { inSlices } from "../state/slices.js";
import { element } from "./elements.js";

const LONGEST = 4000;
const OPTIONS = { throwOnError: false, trust: false, strict: false, maxExpand: 200, maxSize: [20, 20], annotate: true };
/** @type {any} */
let temml;
/** @type {Promise<any> | undefined} */
let coming;

function load() {
  coming ??= import("../../vendor/temml.js").then((module) => (temml = module.default));
  if (!document.getElementById("temml")) {
    const href = new URL("../../vendor/temml.css", import.meta.url).href;
    document.head.append(element("link", { id: "temml", rel: "stylesheet", href }));
  }
  return coming;
}

/**
 * @param {string} text in TeX
 * @param {boolean} display whether it stands by itself
 */
export function math(text, display) {
  const holder = element(display ? "div" : "span", { class: display ? "math display" : "math" }, [text]);
  if (text.length > LONGEST) return holder;
  const work = () => {
    try {
      const made = document.createElement("span");
      temml.render(text, made, { ...OPTIONS, displayMode: display });
      holder.replaceChildren(...made.childNodes);
    } catch {
      // what cannot be read stays as it was written
    }
    return false;
  };
  if (temml) inSlices(work);
  else load().then(() => inSlices(work)).catch(() => {});
  return holder;
}
