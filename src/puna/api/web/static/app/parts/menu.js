/** A button that opens a short list of actions; arrow keys, Escape and a click elsewhere do what they do everywhere. */
import { html, useLayoutEffect, useRef, useState } from "../html.js";
import { IconButton } from "./icon.js";

/** @param {{label: string, icon?: string, items: {label: string, onClick: () => void, danger?: boolean}[]}} props */
export function Menu({ label, icon = "dots", items }) {
  const [open, setOpen] = useState(false);
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (!open) return undefined;
    const away = (/** @type {Event} */ event) => {
      if (!ref.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    /** @type {HTMLElement | null | undefined} */ (ref.current?.querySelector("[role=menuitem]"))?.focus();
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const close = () => {
    setOpen(false);
    /** @type {HTMLElement | null | undefined} */ (ref.current?.querySelector("button"))?.focus();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const entries = [.../** @type {HTMLElement} */ (ref.current).querySelectorAll("[role=menuitem]")];
    const at = entries.indexOf(/** @type {Element} */ (document.activeElement));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else if (step && entries.length) {
      event.preventDefault();
      /** @type {HTMLElement} */ (entries[(at + step + entries.length) % entries.length]).focus();
    }
  };
  const pick = (/** @type {() => void} */ action) => () => {
    close();
    action();
  };
  return html`<div class="menu" ref=${ref} onKeyDown=${onKeyDown}>
    <${IconButton} icon=${icon} label=${label} aria-haspopup="menu" aria-expanded=${String(open)} onClick=${() => setOpen(!open)} />
    ${open &&
    html`<div class="menu-list" role="menu" aria-label=${label}>
      ${items.map(
        (item) =>
          html`<button type="button" role="menuitem" class=${item.danger ? "danger" : ""} onClick=${pick(item.onClick)}>
            ${item.label}
          </button>`,
      )}
    </div>`}
  </div>`;
}
