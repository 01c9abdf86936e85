/** The paper in a cell of a notebook: what is drawn goes to the kernel, whose answer stands below. */

import { Paper } from "./paper.js";
import { DRAWING } from "./sheet.js";

/**
 * @typedef {(told: {id: number, html: string}) => void} Listener
 * @typedef {object} Model of the widget in the kernel, as anywidget has it
 * @property {(content: {id: number}, callbacks: undefined, buffers: ArrayBuffer[]) => void} send
 * @property {(event: "msg:custom", listener: Listener) => void} on
 * @property {(event: "msg:custom", listener: Listener) => void} off
 */

const HELP = "Arrow keys move, with Shift in small steps. Space puts the pen down and lifts it.";
const MARKUP = `
  <div class="sheet">
    <canvas role="application" tabindex="0" aria-label="Drawing area" aria-description="${HELP}"></canvas>
    <div class="cursor" hidden></div>
  </div>
  <div><button type="button">Undo</button> <button type="button">Clear</button></div>
  <div class="answer" role="status">Draw a digit</div>`;

/** @param {{model: Model, el: HTMLElement}} place */
function render({ model, el }) {
  el.classList.add("ovr-digits");
  // Keys that are pressed here are no commands to the notebook.
  el.addEventListener("keydown", (event) => event.stopPropagation());
  el.innerHTML = MARKUP;
  const part = (/** @type {string} */ name) => /** @type {any} */ (el.querySelector(name));
  const answer = part(".answer");
  const paper = new Paper(part(".sheet"), part("canvas"), part(".cursor"));
  const [undo, clear] = el.querySelectorAll("button");
  undo.addEventListener("click", () => paper.undo());
  clear.addEventListener("click", () => paper.clear());

  /** @type {number | null} which question waits for its answer */
  let asked = null;
  let version = paper.version;

  async function ask() {
    if (asked !== null || version === paper.version) return;
    version = paper.version;
    asked = Math.random(); // each paper of the same widget hears what is told to all
    const file = paper.empty ? null : paper.sheet(paper.subject, DRAWING).file();
    model.send({ id: asked }, undefined, file ? [await file.arrayBuffer()] : []);
  }

  /** @type {Listener} */
  function told({ id, html }) {
    if (id !== asked) return;
    asked = null;
    answer.innerHTML = html || "Draw a digit";
    ask();
  }

  model.on("msg:custom", told);
  paper.addEventListener("change", ask);
  return () => model.off("msg:custom", told);
}

export default { render };
