/**
 * The messages of a conversation. The last ones are made first, the others in slices behind; what is out of sight costs
 * no layout (`content-visibility` in the style).
 */
import { html, useEffect, useRef, useState } from "../html.js";
import { current, structure, tree } from "../state/conversations.js";
import { forget, inSlices } from "../state/slices.js";
import { chosenLanguage } from "../state/preferences.js";
import { t } from "../text/translate.js";
import { IconButton } from "../parts/icon.js";
import { Turn } from "./turn.js";

const FIRST = 12;
const MORE = 4;
const NEAR = 60;

export function Log() {
  structure.value;
  const choices = /** @type {import("../state/types.js").Conversation} */ (current.value).choices;
  const path = tree.path(choices);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [made, setMade] = useState(FIRST);
  const cache = useRef(new Map());
  const [away, setAway] = useState(false);
  usePinned(box, setAway, path.at(-1)?.chosen.id);
  useEffect(() => {
    if (made >= path.length) return undefined;
    const step = () => (setMade(made + MORE), false);
    inSlices(step);
    return () => forget(step);
  }, [made, path.length]);
  const from = Math.max(0, path.length - made);
  const fresh = new Map();
  const turns = path.slice(from).map((entry, index) => {
    const last = from + index === path.length - 1;
    const group = entry.branches[entry.shown];
    const key = group[0].batch ?? group[0].id;
    const state = [entry.shown, entry.branches.length, entry.chosen.id, group.length, last, chosenLanguage.value].join();
    const known = cache.current.get(key);
    const turn = known?.state === state ? known : { state, node: html`<${Turn} key=${key} entry=${entry} last=${last} />` };
    fresh.set(key, turn);
    return turn.node;
  });
  cache.current = fresh;
  const beside = path.some(({ branches, shown }) => branches[shown].length > 1);
  const down = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  return html`<div class="log" ref=${box} tabindex="0" role="region" aria-label=${t("messages")}>
    <div class=${`turns ${beside ? "wide" : ""}`}>${turns}</div>
    ${away && html`<div class="to-end"><${IconButton} icon="down" label=${t("toEnd")} onClick=${down} /></div>`}
  </div>`;
}

/**
 * Keeps the end in sight while text comes, unless the reader has gone up.
 * @param {{current: HTMLElement | null}} box
 * @param {(away: boolean) => void} tell
 * @param {string | undefined} last
 */
function usePinned(box, tell, last) {
  const pinned = useRef(true);
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const distance = () => element.scrollHeight - element.scrollTop - element.clientHeight;
    let told = false;
    let seen = 0;
    const look = () => {
      // Only the reader goes up; content that grows above or below does not.
      if (element.scrollTop < seen - 2 && distance() > NEAR) pinned.current = false;
      if (distance() < NEAR) pinned.current = true;
      seen = element.scrollTop;
      const away = !pinned.current;
      if (away !== told) tell((told = away));
    };
    const observer = new ResizeObserver(() => {
      if (pinned.current) element.scrollTop = element.scrollHeight;
      seen = element.scrollTop;
    });
    observer.observe(/** @type {Element} */ (element.firstElementChild));
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  useEffect(() => {
    pinned.current = true;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last]);
}
