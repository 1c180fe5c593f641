/**
 * Shows a text that may still grow. Blocks that are complete are made once; only the last one is made again when more
 * comes, and never more than a slice at a time.
 */
import { forget, inSlices } from "../state/slices.js";
import { block, element } from "./elements.js";
import { blocksOf, plain } from "./lexer.js";

const CHUNK = 8_000;
/** A single block that is longer stays plain text. */
const LARGEST = 48_000;
/** What says where links of other blocks lead, most often at the end of a text. */
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

export class MarkdownView {
  /** @param {HTMLElement} root what the text is shown in */
  constructor(root) {
    this.root = root;
    this.text = "";
    this.done = false;
    /** Up to where the text is settled. */
    this.settled = 0;
    /** What is shown of the text behind, until it settles. @type {Node[]} */
    this.tail = [];
    this.shown = 0;
    this.chunk = CHUNK;
    this.step = this.step.bind(this);
  }

  /**
   * @param {string} written what it is now; it begins with what it was
   * @param {boolean} done whether no more will come
   */
  update(written, done) {
    const text = written.replaceAll("\r", "");
    if (text === this.text && done === this.done) return;
    const defines = done && !this.done && DEFINITION.test(text);
    if (text.length < this.settled || defines) this.reset();
    this.text = text;
    this.done = done;
    if (text.length - this.settled > CHUNK) inSlices(this.step);
    else while (this.step());
  }

  reset() {
    this.root.replaceChildren();
    this.tail = [];
    this.settled = this.shown = 0;
    this.chunk = CHUNK;
  }

  close() {
    forget(this.step);
  }

  /** Makes the next part; returns whether there is more to do. */
  step() {
    const { text, settled } = this;
    const source = text.slice(settled, settled + this.chunk);
    const last = settled + source.length >= text.length;
    if (last && this.done && this.shown === text.length && !this.tail.length) return false;
    const tokens = blocksOf(source);
    const whole = last && this.done;
    // A list may go on behind a blank line, so blanks settle with the block that follows them.
    let end = tokens.findLastIndex((token) => token.type !== "space");
    // Mathematics that begins behind text of its line may turn out to be none, and both one paragraph.
    while (last && end > 0 && !tokens[end - 1].raw.endsWith("\n")) end--;
    if (!last && end <= 0 && this.chunk < LARGEST) {
      this.chunk *= 2;
      return true;
    }
    const full = !last && end <= 0; // one block without an end in sight
    const complete = whole || full ? tokens : tokens.slice(0, Math.max(0, end));
    this.#clearTail();
    let length = 0;
    for (const token of complete) {
      length += token.raw.length;
      this.#append(full ? plain(token.raw) : token, false);
    }
    this.settled += whole || full ? source.length : length;
    this.chunk = CHUNK;
    if (last && !whole) {
      const open = tokens.slice(Math.max(0, end)).map((token) => (token.raw.length > CHUNK ? plain(token.raw) : token));
      this.tail = open.map((token) => this.#append(token, true)).filter(Boolean);
    }
    this.shown = last ? text.length : this.settled;
    return !last;
  }

  #clearTail() {
    for (const node of this.tail) node.parentNode?.removeChild(node);
    this.tail = [];
  }

  /**
   * @param {any} token
   * @param {boolean} open
   */
  #append(token, open) {
    const node = token.type === "plain" ? element("p", { class: "plain" }, [token.text]) : block(token, open);
    if (node) this.root.append(node);
    return node;
  }
}
