/** Guess first, then show: real digits of scikit-learn's, and what people and detectors say of them. */

import { shuffled } from "./shuffled.js";

/** Rows and columns of levels, the darkest level, and the letter of the lightest. */
const SIDE = 8;
const DARKEST = 16;
const LIGHTEST = "a".charCodeAt(0);
/** Blank pixels about them, and pixels of the picture for each: enlarged as smoothly as it goes. */
const BORDER = 2;
const ENLARGED = 32;

/**
 * @param {string} levels
 * @returns {HTMLCanvasElement} the digit in black on white
 */
function pictureOf(levels) {
  const small = document.createElement("canvas");
  small.width = small.height = SIDE + 2 * BORDER;
  const pixels = new ImageData(small.width, small.height);
  pixels.data.fill(255);
  [...levels].forEach((letter, k) => {
    const x = k % SIDE;
    const at = 4 * (((k - x) / SIDE + BORDER) * small.width + x + BORDER);
    pixels.data.fill(255 - Math.round((255 * (letter.charCodeAt(0) - LIGHTEST)) / DARKEST), at, at + 3);
  });
  small.getContext("2d")?.putImageData(pixels, 0, 0);
  const picture = document.createElement("canvas");
  picture.width = picture.height = ENLARGED * small.width;
  const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, picture.width, picture.height);
  return picture;
}

/** @implements {import("./trials.js").Trial} */
export class Guess {
  #words;
  #paper;
  #curtain;
  #buttons;
  /** @type {(() => [number, string]) | null} */
  #next = null;
  #label = -1;
  /** @type {number | null} */
  #guess = null;
  /** @type {number | null} */
  #answer = null;
  #done = { all: 0, people: 0, detectors: 0 };

  /**
   * @param {HTMLElement} panel
   * @param {import("./paper.js").Paper} paper
   * @param {import("./curtain.js").Curtain} curtain
   */
  constructor(panel, paper, curtain) {
    this.#words = /** @type {HTMLElement} */ (panel.querySelector("p"));
    this.#paper = paper;
    this.#curtain = curtain;
    this.#buttons = Array.from({ length: 10 }, (_, digit) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${digit}`;
      button.ariaLabel = `I guess ${digit}`;
      button.addEventListener("click", () => this.#take(digit));
      return button;
    });
    panel.querySelector(".choices")?.append(...this.#buttons);
    panel.querySelector("#next-real")?.addEventListener("click", () => this.#show());
  }

  /** @param {import("./trials.js").Examples} examples */
  begin({ digits, source }) {
    this.#words.title = source;
    this.#next ??= shuffled(digits);
    this.#show();
  }

  end() {
    this.#label = -1;
    this.#curtain.want("guess", false);
  }

  /** @param {import("./votes.js").Vote | null} vote */
  tell(vote) {
    if (!vote || this.#label < 0) return;
    this.#answer = vote.digit;
    this.#compare();
  }

  #show() {
    if (!this.#next) return;
    const [label, levels] = this.#next();
    this.#label = label;
    this.#guess = this.#answer = null;
    this.#words.textContent = "Somebody wrote this. Which digit is it?";
    for (const button of this.#buttons) button.ariaDisabled = "false";
    this.#curtain.want("guess", true);
    this.#paper.clear();
    this.#paper.putPicture(pictureOf(levels), "rgb(255 255 255)", false);
  }

  /** @param {number} digit */
  #take(digit) {
    if (this.#label < 0 || this.#guess !== null) return;
    this.#guess = digit;
    for (const button of this.#buttons) button.ariaDisabled = "true";
    this.#compare();
  }

  /** Show it once both have said what it is. */
  #compare() {
    if (this.#guess === null || this.#answer === null) return;
    const [label, guess, answer] = [this.#label, this.#guess, this.#answer];
    this.#label = -1;
    this.#done.all += 1;
    this.#done.people += Number(guess === label);
    this.#done.detectors += Number(answer === label);
    const { all, people, detectors } = this.#done;
    this.#words.textContent =
      `It was meant as a ${label}. You said ${guess}, the detectors ${answer}. ` +
      `Right so far: you ${people}, they ${detectors} of ${all}.`;
    this.#curtain.lift();
  }
}
