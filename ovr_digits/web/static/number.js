/** Several digits: boxes over the drawing, of which one is chosen. */

/**
 * @typedef {import("./client.js").FoundDigit} FoundDigit
 * @typedef {import("./ink.js").Rect} Rect
 */

const VERDICTS = { sure: "sure", conflict: "several detectors said yes", none: "not recognised" };

/**
 * @param {FoundDigit} found
 * @returns {import("./votes.js").Vote}
 */
export function voteOf(found) {
  // A detector says yes from one half on.
  const fired = found.votes.flatMap((vote, digit) => (vote > 0.5 ? [digit] : []));
  return { ...found, fired };
}

/** Event: "choose" (detail: the index) when a box was chosen by hand. */
export class Boxes extends EventTarget {
  /** @type {{button: HTMLButtonElement, place: Rect}[]} */
  #boxes = [];
  #layer;
  #paper;

  /**
   * @param {HTMLElement} layer
   * @param {import("./paper.js").Paper} paper
   */
  constructor(layer, paper) {
    super();
    this.#layer = layer;
    this.#paper = paper;
    paper.addEventListener("resize", () => this.#lay());
    layer.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * @param {FoundDigit[]} digits
   * @param {Rect[]} places in paper units
   */
  show(digits, places) {
    this.#boxes = digits.map((found, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "box";
      button.classList.toggle("unsure", found.verdict !== "sure");
      const says = `${found.digit}, ${VERDICTS[found.verdict]}`;
      button.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${says}`;
      const label = document.createElement("span");
      label.textContent = `${found.digit}`;
      button.append(label);
      button.addEventListener("click", () => this.#pick(index));
      return { button, place: places[index] };
    });
    this.#layer.replaceChildren(...this.#boxes.map(({ button }) => button));
    this.#lay();
  }

  /** @param {number} index */
  choose(index) {
    this.#boxes.forEach(({ button }, i) => (button.ariaPressed = `${i === index}`));
  }

  /** @param {number} index */
  #pick(index) {
    this.choose(index);
    this.dispatchEvent(new CustomEvent("choose", { detail: index }));
  }

  #lay() {
    for (const { button, place } of this.#boxes) {
      const { x, y, w, h } = this.#paper.toScreen(place);
      button.style.left = `${x}px`;
      button.style.top = `${y}px`;
      button.style.width = `${w}px`;
      button.style.height = `${h}px`;
      // No room above it for its label.
      button.classList.toggle("high", y < 24);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const from = this.#boxes.findIndex(({ button }) => button === event.target);
    const to = from + step;
    if (!step || !this.#boxes[to]) return;
    event.preventDefault();
    this.#boxes[to].button.focus();
    this.#pick(to);
  }
}
