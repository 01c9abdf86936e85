/** Examples to trace: a faint form of a digit on the paper. */

import { shuffled } from "./shuffled.js";

/** How high a form is, in paper units. */
const HEIGHT = 620;

/** @param {number[][]} strokes @returns {string} the path that draws them about the origin */
function pathOf(strokes) {
  const xs = strokes.flatMap((stroke) => stroke.filter((_, k) => k % 2 === 0));
  const ys = strokes.flatMap((stroke) => stroke.filter((_, k) => k % 2 === 1));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [w, h] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = HEIGHT / Math.max(w, h);
  const place = (/** @type {number} */ value, /** @type {number} */ k) =>
    Math.round((k % 2 ? value - top - h / 2 : value - left - w / 2) * scale);
  return strokes.map((stroke) => `M${stroke.map(place).join(" ")}`).join("");
}

/** @implements {import("./trials.js").Trial} */
export class Trace {
  #words;
  #form = /** @type {SVGElement} */ (/** @type {unknown} */ (document.getElementById("form")));
  #paper;
  /** @type {(() => [number, number[][]]) | null} */
  #next = null;

  /**
   * @param {HTMLElement} panel
   * @param {import("./paper.js").Paper} paper
   */
  constructor(panel, paper) {
    this.#words = /** @type {HTMLElement} */ (panel.querySelector("p"));
    this.#paper = paper;
    panel.querySelector("button")?.addEventListener("click", () => this.#show());
  }

  /** @param {import("./trials.js").Examples} examples */
  begin({ forms }) {
    this.#next ??= shuffled(forms);
    this.#show();
  }

  end() {
    this.#form.toggleAttribute("hidden", true);
  }

  tell() {}

  #show() {
    if (!this.#next) return;
    const [digit, strokes] = this.#next();
    this.#paper.clear();
    this.#form.querySelector("path")?.setAttribute("d", pathOf(strokes));
    this.#form.toggleAttribute("hidden", false);
    this.#words.textContent = `Draw over the faint ${digit}.`;
  }
}
