/** A live plot (uPlot, which is loaded when the first one is shown). */
import { html, useEffect, useRef, useState } from "../html.js";
import { language, theme } from "../state/preferences.js";
import { number } from "../text/numbers.js";

const HEIGHT = 150;
/** Between the marks of the time axis, in seconds. */
const STEPS = [10, 20, 30, 60, 120, 300, 600];
/** @type {Promise<any> | undefined} */
let coming;

function load() {
  coming ??= import("../../vendor/uplot.js").then((module) => module.default);
  if (!document.getElementById("uplot")) {
    const link = document.createElement("link");
    Object.assign(link, { id: "uplot", rel: "stylesheet", href: new URL("../../vendor/uplot.css", import.meta.url).href });
    document.head.append(link);
  }
  return coming;
}

/**
 * @param {{title: string, unit: string, series: {label: string, colour: string}[], data: (number | null)[][]}} props
 *   `colour` is a custom property of the style; `data` has the times first
 */
export function Plot({ title, unit, series, data }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [library, setLibrary] = useState(/** @type {any} */ (null));
  const look = `${theme.value} ${language()} ${useDark()}`;
  useEffect(() => {
    load().then((found) => setLibrary(() => found)).catch(() => {});
  }, []);
  useEffect(() => {
    if (!library) return undefined;
    const element = /** @type {HTMLElement} */ (box.current);
    plot.current = new library(optionsOf(series, element.clientWidth), data, element);
    const observer = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [library, look]);
  useEffect(() => plot.current?.setData(data), [data]);
  const last = series.map(({ label, colour }, index) => {
    const value = data[index + 1]?.at(-1);
    return html`<span class="legend"><i class=${`key ${colour}`}></i>${label} <b>${value == null ? "–" : `${number(value, 1)} ${unit}`}</b></span>`;
  });
  return html`<figure class="plot"><figcaption><h3>${title}</h3><p>${last}</p></figcaption><div class="canvas" ref=${box} aria-hidden="true"></div></figure>`;
}

function useDark() {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return dark;
}

/**
 * @param {{label: string, colour: string}[]} series
 * @param {number} width
 */
function optionsOf(series, width) {
  const axis = { stroke: colourOf("faint"), grid: { stroke: colourOf("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: (_plot, low, high) => [Math.min(low, high - 60), high] }, y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 1) * 1.15)] } },
    axes: [{ ...axis, space: 70, size: 28, incrs: STEPS, values: (_plot, at) => at.map(clock) }, { ...axis, size: 44 }],
    series: [{}, ...series.map(({ label, colour }) => ({ label, stroke: colourOf(colour), width: 2, points: { show: false }, spanGaps: true }))],
  };
}

/** @param {number} seconds since 1970 */
const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** The colour that a custom property stands for in the present theme. @param {string} name */
function colourOf(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
