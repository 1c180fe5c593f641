/** Everything that the server tells about one model. */
import { html, useEffect, useState } from "../html.js";
import { show, shortName } from "../state/models.js";
import { apiKey } from "../state/preferences.js";
import { number } from "../text/numbers.js";
import { t } from "../text/translate.js";
import { Dialog } from "../parts/dialog.js";
import { Tuned } from "./engine.js";

/** @param {{name: string, onClose: () => void}} props */
export function ModelDetails({ name, onClose }) {
  const [model, setModel] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    setProblem("");
    show(name).then(setModel, (error) => setProblem(error.message || t("unreachable")));
  }, [name, apiKey.value]);
  return html`<${Dialog} wide title=${shortName(name)} onClose=${onClose}>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${model && html`<${Shown} model=${model} /><${Tuned} name=${name} />`}
  <//>`;
}

/** @param {{model: any}} props */
function Shown({ model }) {
  const { details, model_info: info = {} } = model;
  const rows = [
    [t("architecture"), info["general.architecture"]],
    [t("parameters"), info["general.parameter_count"] && number(info["general.parameter_count"])],
    [t("quantization"), details.quantization_level],
    [t("context"), details.context_length && t("contextTokens", { n: number(details.context_length) })],
    [t("capabilities"), (model.capabilities ?? []).map((name) => t(`can_${name}`)).join(", ")],
    [t("renderer"), [model.renderer, model.parser].filter(Boolean).join(", ")],
  ].filter(([, value]) => value);
  const texts = [
    [t("system"), model.system],
    [t("options"), model.parameters],
    [t("template"), model.template],
    ["Modelfile", model.modelfile],
    [t("licence"), model.license],
    [t("metadata"), JSON.stringify(info, null, 2)],
  ].filter(([, value]) => value);
  return html`${model.warning && html`<p class="problem">${model.warning}</p>`}
    <dl class="details">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    ${texts.map(([name, value]) => html`<details class="group"><summary>${name}</summary><pre tabindex="0">${value}</pre></details>`)}`;
}
