/** Markdown into tokens (GitHub's dialect, by marked), with mathematics between `$`, `$$`, `\(…\)` and `\[…\]`. */
import { Marked } from "../../vendor/marked.js";

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
// Money is no mathematics: no blank after the first mark or before the last, and no digit behind.
const INLINE = /^(?:\$\$([^$\n]+?)\$\$|\$(?!\s)((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\])/;
/** Marks in one paragraph that are looked at. */
const MOST_TRIES = 20;

const marked = new Marked({ gfm: true });
marked.use({
  extensions: [
    {
      name: "blockMath",
      level: "block",
      start: blockAt,
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
 * Where a block of mathematics begins in a paragraph. A mark that begins none must not be named: the paragraph would be
 * cut there and put together again with a newline that nobody wrote.
 * @param {string} source
 */
function blockAt(source) {
  const paragraph = source.slice(0, at(source, /\n[ \t]*\n/));
  let tries = MOST_TRIES;
  for (const { index } of paragraph.matchAll(/\$\$|\\\[/g)) {
    const ownLine = /\n[ \t]*$/.test(paragraph.slice(0, index)); // else it ends where its paragraph does
    if (BLOCK.test((ownLine ? source : paragraph).slice(index))) return index;
    if (!--tries) return undefined;
  }
  return undefined;
}

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
