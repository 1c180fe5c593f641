/** The tokens of an answer, coloured by how likely each was; the arrow keys, or the mouse, show what else was likely. */
import { html, useState } from "../html.js";
import { percent } from "../text/numbers.js";
import { t } from "../text/translate.js";

/** @param {number} logprob */
const level = (logprob) => Math.min(4, Math.floor(-logprob / 0.7));

/** @param {{tokens: import("../state/types.js").Token[]}} props */
export function Tokens({ tokens }) {
  const [at, setAt] = useState(0);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -tokens.length, End: tokens.length }[event.key];
    if (!step) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(tokens.length - 1, at + step)));
  };
  const over = (/** @type {any} */ event) => {
    const index = event.target.dataset?.index;
    if (index !== undefined) setAt(Number(index));
  };
  const token = tokens[at];
  return html`<div class="tokens">
    <div class="token-text" tabindex="0" role="group" aria-label=${t("tokensHelp")} onKeyDown=${keys} onMouseOver=${over} onClick=${over}>
      ${tokens.map((item, index) => html`<span key=${index} data-index=${index} class=${`token p${level(item.logprob)} ${index === at ? "at" : ""}`}>${item.token}</span>`)}
    </div>
    ${token &&
    html`<div class="alternatives" aria-live="polite">
      <table>
        <caption>${t("insteadOf", { token: visible(token.token) })}</caption>
        <tbody>
          ${(token.top_logprobs?.length ? token.top_logprobs : [token]).map(
            (other) =>
              html`<tr class=${other.token === token.token ? "taken" : ""}>
                <th scope="row">${visible(other.token)}</th>
                <td>${percent(Math.exp(other.logprob))}</td>
                <td class="bar"><meter min="0" max="1" value=${Math.exp(other.logprob)} aria-label=${t("probability")}></meter></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`}
  </div>`;
}

/** @param {string} token */
const visible = (token) => token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "∅";
