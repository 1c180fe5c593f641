/** A dialog of the browser's own kind: it holds the focus, and Escape closes it. */
import { html, useId, useLayoutEffect, useRef } from "../html.js";
import { t } from "../text/translate.js";
import { IconButton } from "./icon.js";

/** @param {{title: string, onClose: () => void, wide?: boolean, children?: unknown}} props */
export function Dialog({ title, onClose, wide = false, children }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const over = useRef(false);
  const id = useId();
  // Before the first picture of it: a key pressed until then would go to what lies behind.
  useLayoutEffect(() => {
    const dialog = /** @type {HTMLDialogElement} */ (ref.current);
    dialog.showModal();
    return () => {
      over.current = true;
      dialog.close();
    };
  }, []);
  // The event comes later, when another dialog may have taken this one's place.
  const closed = () => over.current || onClose();
  const outside = (/** @type {MouseEvent} */ event) => event.target === ref.current && onClose();
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${closed} onMouseDown=${outside}>
    <div class="dialog-body">
      <header class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <${IconButton} icon="close" label=${t("close")} onClick=${onClose} />
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** Asks before something is lost. @param {{title: string, action: string, onYes: () => void, onClose: () => void, children?: unknown}} props */
export const Confirm = ({ title, action, onYes, onClose, children }) =>
  html`<${Dialog} title=${title} onClose=${onClose}>
    <p>${children}</p>
    <div class="row end">
      <button type="button" onClick=${onClose}>${t("cancel")}</button>
      <button type="button" class="danger" onClick=${() => (onYes(), onClose())}>${action}</button>
    </div>
  <//>`;
