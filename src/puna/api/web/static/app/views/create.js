/** Makes a model from a Modelfile; what is wrong with it is shown at its line. */
import { html, useRef, useState } from "../html.js";
import { post, stream } from "../api/client.js";
import { loadModels, models, shortName } from "../state/models.js";
import { notify } from "../state/notices.js";
import { t } from "../text/translate.js";
import { Dialog } from "../parts/dialog.js";

const LINE = /\(line (\d+)\)/;

/** @param {{onClose: () => void}} props */
export function Create({ onClose }) {
  const base = shortName(models.value?.[0]?.name ?? "cria");
  const [name, setName] = useState("");
  const [text, setText] = useState(`FROM ${base}\nPARAMETER temperature 0.7\nSYSTEM """You are a helpful assistant."""\n`);
  const [problem, setProblem] = useState("");
  const [status, setStatus] = useState("");
  const numbers = useRef(/** @type {HTMLElement | null} */ (null));
  const wrong = Number(LINE.exec(problem)?.[1] ?? 0);
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setProblem("");
    try {
      const fields = await post("/api/puna/modelfile", { modelfile: text });
      for await (const item of stream("/api/create", { model: name.trim(), ...fields })) setStatus(item.status);
      notify(t("created", { name: name.trim() }));
      await loadModels();
      onClose();
    } catch (error) {
      setStatus("");
      setProblem((error instanceof Error && error.message) || t("unreachable"));
    }
  };
  const lines = text.split("\n");
  const scroll = (/** @type {any} */ event) => {
    if (numbers.current) numbers.current.scrollTop = event.target.scrollTop;
  };
  return html`<${Dialog} wide title=${t("create")} onClose=${onClose}>
    <form class="stack" onSubmit=${make}>
      <label class="field"><span>${t("newName")}</span><input value=${name} spellcheck="false" autocapitalize="off" onInput=${(event) => setName(event.target.value)} /></label>
      <div class="field">
        <span id="modelfile-label">Modelfile</span>
        <div class="editor">
          <div class="numbers" ref=${numbers} aria-hidden="true">${lines.map((_, index) => html`<span class=${index + 1 === wrong ? "wrong" : ""}>${index + 1}</span>`)}</div>
          <textarea class="code" rows="12" wrap="off" spellcheck="false" aria-labelledby="modelfile-label" aria-invalid=${String(Boolean(problem))} aria-describedby="modelfile-problem" value=${text} onInput=${(event) => setText(event.target.value)} onScroll=${scroll}></textarea>
        </div>
      </div>
      <p id="modelfile-problem" class=${problem ? "problem" : "faint"} role=${problem ? "alert" : undefined}>${problem || status || t("modelfileHelp")}</p>
      <div class="row end"><button type="submit" class="primary" disabled=${!name.trim() || Boolean(status)}>${t("create")}</button></div>
    </form>
  <//>`;
}
