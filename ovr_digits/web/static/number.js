/** Several digits: boxes over the drawing, of which one is chosen. */

/**
 * @typedef {import("./client.js").FoundDigit} FoundDigit
 * @typedef {import("./ink.js").Rect} Rect
 * @typedef {{kind: "field" | "sign" | "left-out", says: string, label: string, place: Rect}} Mark
 */

const VERDICTS = { sure: "sure", conflict: "several detectors said yes", none: "not recognised" };

/** Votes come with six places: one of 0 or 1 tells only that its score is beyond that of this. */
const LEAST_VOTE = 0.5e-6;

/** @param {number} vote */
function scoreOf(vote) {
  const within = Math.max(LEAST_VOTE, Math.min(1 - LEAST_VOTE, vote));
  return Math.log(within / (1 - within));
}

/**
 * @param {FoundDigit} found
 * @returns {import("./votes.js").Vote}
 */
export function voteOf(found) {
  // A detector says yes from one half on.
  const fired = found.votes.flatMap((vote, digit) => (vote > 0.5 ? [digit] : []));
  return { scores: found.votes.map(scoreOf), ...found, fired };
}

/** @param {string} text */
function labelled(text) {
  const label = document.createElement("span");
  label.textContent = text;
  return label;
}

/**
 * What is shown of a number beside its digits.
 *
 * @param {import("./client.js").NumberReading} reading
 * @param {(box: import("./client.js").Box) => Rect} placeOf
 * @returns {Mark[]}
 */
export function marksOf({ fields, signs, left_out }, placeOf) {
  /** @type {(kind: Mark["kind"], box: import("./client.js").Box, says: string, label?: string) => Mark} */
  const mark = (kind, box, says, label = "") => ({ kind, says, label, place: placeOf(box) });
  return [
    ...fields.filter(() => fields.length > 1).map((f) => mark("field", f.box, `Field ${f.text}`)),
    ...left_out.map(({ box, reason }) => mark("left-out", box, `Left out: ${reason}`)),
    ...signs.map(({ box, sign }) => mark("sign", box, `Sign ${sign}`, sign)),
  ];
}

/** Event: "choose" (detail: the index) when a box was chosen by hand. */
export class Boxes extends EventTarget {
  /** @type {{button: HTMLButtonElement, place: Rect}[]} */
  #boxes = [];
  /** What is shown beside the digits. @type {{part: HTMLElement, place: Rect}[]} */
  #marks = [];
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
   * @param {Mark[]} marks
   */
  show(digits, places, marks) {
    this.#marks = marks.map(({ kind, says, label, place }) => {
      const part = document.createElement("div");
      part.className = `mark ${kind}`;
      part.role = "img";
      part.title = part.ariaLabel = says;
      if (label) part.append(labelled(label));
      return { part, place };
    });
    this.#boxes = digits.map((found, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "box";
      button.classList.toggle("unsure", found.verdict !== "sure");
      const says = `${found.digit}, ${VERDICTS[found.verdict]}`;
      button.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${says}`;
      button.append(labelled(`${found.digit}`));
      button.addEventListener("click", () => this.#pick(index));
      return { button, place: places[index] };
    });
    const parts = this.#marks.map(({ part }) => part);
    this.#layer.replaceChildren(...parts, ...this.#boxes.map(({ button }) => button));
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
    const buttons = this.#boxes.map(({ button, place }) => ({ part: button, place }));
    for (const { part, place } of [...this.#marks, ...buttons]) {
      const { x, y, w, h } = this.#paper.toScreen(place);
      part.style.left = `${x}px`;
      part.style.top = `${y}px`;
      part.style.width = `${w}px`;
      part.style.height = `${h}px`;
      // No room above it for its label.
      part.classList.toggle("high", y < 24);
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
