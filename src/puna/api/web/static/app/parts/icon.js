/** Icons of lines, 20 by 20, in the colour of the text. */
import { html } from "../html.js";

const PATHS = {
  plus: "M10 4v12M4 10h12",
  menu: "M3 5h14M3 10h14M3 15h14",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13 13l4 4",
  chat: "M4 4h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H9l-4 3v-3H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z",
  cube: "M10 2.5l6.5 3.75v7.5L10 17.5l-6.5-3.75v-7.5zM3.5 6.25L10 10l6.5-3.75M10 10v7.5",
  pulse: "M2.5 10h3.5l2-6 4 12 2-6h3.5",
  sliders: "M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4",
  gear: "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2.5v1.500M10 16v1.500M2.500 10H4M16 10h1.500M4.700 4.700l1 1M14.300 14.300l1 1M4.700 15.300l1-1M14.300 5.700l1-1",
  close: "M5 5l10 10M15 5L5 15",
  send: "M10 16V4M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  copy: "M7 7h9v9H7zM4 13V4h9",
  edit: "M4 16l1-4 8.5-8.5 3 3L8 15z",
  again: "M16 10a6 6 0 1 1-2-4.5M16 3v3.5h-3.5",
  on: "M5 5v10l6-5zM13 5v10",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  down: "M5 8l5 5 5-5",
  clip: "M14 8l-5.5 5.5a2 2 0 0 1-3-3L11.5 4a3 3 0 0 1 4.5 4.500L9.500 15a4.500 4.500 0 0 1-6-6.500L9 3",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  text: "M4 5h12M4 10h12M4 15h7",
  dots: "M5 10h.01M10 10h.01M15 10h.01",
  bars: "M4 16V9M8 16V5M12 16v-5M16 16V3",
  tool: "M12 4a4 4 0 0 0 4.500 5L9 16.500 5.500 13 13 5.500",
  check: "M4 10.500l4 4 8-9",
  download: "M10 3v10M6 9l4 4 4-4M4 17h12",
};

/** @param {{name: keyof typeof PATHS}} props */
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/**
 * A button that is an icon; its label is read out and shown as a hint.
 * @param {{icon: keyof typeof PATHS, label: string, onClick: () => void, [more: string]: unknown}} props
 */
export const IconButton = ({ icon, label, class: name = "", ...more }) =>
  html`<button type="button" class=${`icon-button ${name}`} aria-label=${label} title=${label} ...${more}>
    <${Icon} name=${icon} />
  </button>`;
