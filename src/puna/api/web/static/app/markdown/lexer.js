/** Markdown into tokens (GitHub's dialect, by marked), with mathematics between `$`, `$$`, `\(…\)` and `\[…\]`. */
import { Marked } from "../../vendor/marked.js";

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
// Money is no mathematics: no blank after the first mark or before the last, and no digit behind.
const INLINE = /^(?:\$\$([^$\n]+?)\$\$|\$(?!\s)((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\])/;

const marked = new Marked({ gfm: true });
marked.use({
  extensions: [
    {
      name: "blockMath",
      level: "block",
      start: (source) => at(source, /\$\$|\\\[/),
      tokenizer(source) {
        const found = BLOCK.exec(source);
        return found ? { type: "blockMath", raw: found[0], text: (found[1] ?? found[2]).trim() } : undefined;
      },
    },
    {
      name: "inlineMath",
      level: "inline",
      start: (source) => at(source, /\$|\\[([]/),
      tokenizer(source) {
        const found = INLINE.exec(source);
        if (!found) return undefined;
        return { type: "inlineMath", raw: found[0], text: (found[1] ?? found[2] ?? found[3] ?? found[4]).trim() };
      },
    },
  ],
});

/**
 * @param {string} source
 * @param {RegExp} pattern
 */
function at(source, pattern) {
  const found = source.search(pattern);
  return found < 0 ? undefined : found;
}

/**
 * The blocks of a text; their `raw` parts together are the text. What cannot be read (nested too deep) is plain text.
 * @param {string} text
 * @returns {any[]}
 */
export function blocksOf(text) {
  try {
    return marked.lexer(text);
  } catch {
    return [plain(text)];
  }
}

/** @param {string} text */
export const plain = (text) => ({ type: "plain", raw: text, text });
