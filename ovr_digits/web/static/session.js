/** Asks the reader about the drawing: one question at a time, always about the newest drawing. */

import { intersection, padded, union } from "./ink.js";
import { marksOf } from "./number.js";
import { around, DRAWING } from "./sheet.js";
import * as client from "./taught.js";

/**
 * @typedef {import("./client.js").Prediction} Prediction
 * @typedef {import("./client.js").NumberReading} NumberReading
 * @typedef {import("./ink.js").Rect} Rect
 *
 * @typedef {object} View what shows the answers
 * @property {() => void} showBlank
 * @property {(answer: Prediction, several: boolean) => void} showLive while a stroke is drawn
 * @property {(answer: Prediction) => void} showDigit
 * @property {(reading: NumberReading, places: Rect[], marks: import("./number.js").Mark[],
 *   chosen: number) => void} showNumber
 * @property {(digit: number, answer: Prediction) => void} showReasons
 * @property {(error: Error) => void} showError
 * @property {(waiting: boolean) => void} showWaiting for an answer, with nobody drawing
 */

/** Longest sides of what is sent, in pixels: of several digits, of pictures. */
const NUMBER = 560;
const PICTURE = 900;
/** How long the drawing rests before it is asked what spoke for the answer. */
const PAUSE = 150;

/**
 * @param {Rect} a
 * @param {Rect} b
 * @returns {number} the area that they share
 */
function overlap(a, b) {
  const { w, h } = intersection(a, b);
  return w * h;
}

/**
 * @param {import("./client.js").Box} box
 * @param {Rect} subject the part of the paper that was sent
 * @param {number} longest its longest side in pixels
 * @returns {Rect} in paper units
 */
function placeOf([x, y, w, h], subject, longest) {
  const scale = Math.max(subject.w, subject.h) / longest;
  return { x: subject.x + x * scale, y: subject.y + y * scale, w: w * scale, h: h * scale };
}

export class Session {
  #paper;
  #view;
  /** @type {AbortController | null} of the question that is being asked */
  #asking = null;
  /** Whether that is given up where the drawing changes: all but the quick votes on a stroke. */
  #yields = false;
  /** @type {number | undefined} */
  #timer;
  #free = 0;
  /** The version of the drawing that the newest answer is about, and whether about all of it. */
  #answered = { version: -1, whole: false };
  /** @type {Prediction | null} the newest answer about all of the drawing */
  #prediction = null;
  /** @type {NumberReading | null} */
  #reading = null;
  /** Where the digits are, if they are several. @type {Rect[]} */
  #places = [];
  /** What else there is. @type {import("./number.js").Mark[]} */
  #marks = [];
  #chosen = 0;
  /** The digit whose reasons were asked for, instead of the answer's. @type {number | null} */
  #about = null;
  #settled = false;
  #reasoned = false;

  /**
   * @param {import("./paper.js").Paper} paper
   * @param {View} view
   */
  constructor(paper, view) {
    this.#paper = paper;
    this.#view = view;
    paper.addEventListener("change", () => this.#changed());
  }

  /** The drawing as it is asked about. */
  sheet() {
    return this.#paper.sheet(this.#paper.subject, this.#paper.plain ? DRAWING : PICTURE);
  }

  /**
   * Show the reasons for another one of several digits.
   *
   * @param {number} index
   */
  choose(index) {
    this.#chosen = index;
    this.#reasoned = false;
    this.#next();
  }

  /** Ask about the drawing anew: other lessons are taught. */
  askAgain() {
    this.#answered = { version: -1, whole: false };
    this.#settled = this.#reasoned = false;
    this.#reading = null;
    this.#asking?.abort();
    this.#next();
  }

  /**
   * Show what spoke for and against a digit, whatever the answer is.
   *
   * @param {number | null} digit null for the answer's
   */
  explain(digit) {
    this.#about = digit;
    this.#reasoned = false;
    this.#next();
  }

  #changed() {
    this.#settled = this.#reasoned = false;
    if (this.#yields || this.#paper.empty) this.#asking?.abort();
    if (this.#paper.empty) {
      clearTimeout(this.#timer);
      this.#reading = this.#prediction = this.#about = null;
      this.#places = [];
      if (!this.#paper.drawing) this.#view.showBlank();
      return;
    }
    this.#next();
  }

  /** Do what is to be done next, if anything. */
  #next() {
    clearTimeout(this.#timer);
    const { version, drawing: live, empty } = this.#paper;
    if (this.#asking || empty) return;
    const wait = live ? this.#free - performance.now() : 0;
    if (this.#answered.version !== version || !(live || this.#answered.whole)) {
      if (wait > 0) this.#after(wait);
      else if (live) this.#ask(() => this.#predictLive(), false);
      else this.#ask(() => this.#predict());
    } else if (live) {
      return;
    } else if (this.#several && !this.#reading) {
      this.#ask(() => this.#read());
    } else if (!this.#settled) {
      this.#settle();
      this.#after(PAUSE);
    } else if (!this.#reasoned) {
      this.#ask(() => this.#askReasons());
    }
  }

  get #several() {
    return (this.#prediction?.n_digits ?? 1) > 1;
  }

  /** What is shown in place of the prediction. */
  get #number() {
    return this.#reading && this.#reading.digits.length > 1 ? this.#reading : null;
  }

  /** @param {number} milliseconds */
  #after(milliseconds) {
    this.#timer = setTimeout(() => this.#next(), milliseconds);
  }

  /**
   * @param {() => Promise<unknown>} question
   * @param {boolean} yields whether it is given up where the drawing changes
   */
  async #ask(question, yields = true) {
    const asking = (this.#asking = new AbortController());
    const { version } = this.#paper;
    this.#yields = yields;
    let wait = 0;
    this.#view.showWaiting(!this.#paper.drawing);
    try {
      await question();
    } catch (error) {
      if (!asking.signal.aborted) {
        const after = /** @type {{retryAfter?: number | null}} */ (error).retryAfter ?? null;
        // What cannot work is not asked again before the drawing changes, and the last answer was
        // to another one.
        wait = after === null ? Infinity : 1000 * after;
        if (after === null) this.#view.showBlank();
        this.#view.showError(/** @type {Error} */ (error));
      }
    }
    this.#asking = null;
    this.#yields = false;
    this.#view.showWaiting(false);
    this.#free = performance.now() + (Number.isFinite(wait) ? Math.max(wait, client.REST) : client.REST);
    if (wait === 0 || version !== this.#paper.version) this.#next();
    else if (Number.isFinite(wait)) this.#after(wait);
  }

  get #signal() {
    return this.#asking?.signal;
  }

  /** Ask about all of the drawing. */
  async #predict() {
    const { version, subject, plain } = this.#paper;
    const answer = await client.predict(this.sheet(), false, this.#signal);
    this.#answered = { version, whole: true };
    this.#prediction = answer;
    if (this.#several && !this.#places.length && answer.box) {
      this.#places = [placeOf(answer.box, subject, plain ? DRAWING : PICTURE)];
    }
    if (!this.#paper.drawing) {
      this.#reading = null;
      if (!this.#several) this.#places = [];
    }
    return answer;
  }

  /**
   * One of several digits.
   *
   * @param {Rect} place
   */
  #closeUp(place) {
    const only = padded(place, this.#paper.plain ? 0.05 : 0.15);
    const part = this.#paper.plain ? around(place) : only;
    return this.#paper.sheet(part, DRAWING, only);
  }

  async #predictLive() {
    const { version, lastBounds } = this.#paper;
    let answer;
    if (this.#several) {
      // Of several digits the one that is being drawn.
      const stroke = padded(lastBounds, 0.08);
      const near = this.#places.filter((place) => overlap(place, stroke) > 0);
      const sheet = this.#closeUp([stroke, ...near].reduce(union));
      answer = await client.predict(sheet, false, this.#signal);
      this.#answered = { version, whole: false };
    } else answer = await this.#predict();
    if (this.#paper.drawing) this.#view.showLive(answer, this.#reading !== null);
  }

  async #read() {
    const { subject, plain, lastBounds } = this.#paper;
    const longest = plain ? NUMBER : PICTURE;
    this.#reading = await client.read(this.#paper.sheet(subject, longest), this.#signal);
    const place = (/** @type {import("./client.js").Box} */ box) =>
      placeOf(box, subject, longest);
    this.#places = this.#reading.digits.map(({ box }) => place(box));
    this.#marks = marksOf(this.#reading, place);
    const shared = this.#places.map((place) => overlap(place, lastBounds));
    this.#chosen = Math.max(0, shared.indexOf(Math.max(...shared)));
  }

  /** Whether the drawing is answered, and nobody is drawing. */
  get settled() {
    return this.#settled;
  }

  #settle() {
    this.#settled = true;
    if (this.#number) {
      this.#view.showNumber(this.#number, this.#places, this.#marks, this.#chosen);
    } else if (this.#prediction) this.#view.showDigit(this.#prediction);
  }

  async #askReasons() {
    const { version } = this.#paper;
    const [chosen, about] = [this.#chosen, this.#about];
    const one = this.#number?.digits[chosen];
    const sheet = one ? this.#closeUp(this.#places[chosen]) : this.sheet();
    const answered = /** @type {{digit: number}} */ (one ?? this.#prediction);
    const digit = about ?? answered.digit;
    const answer = await client.predict(sheet, digit, this.#signal);
    if (version !== this.#paper.version || chosen !== this.#chosen || about !== this.#about) return;
    this.#reasoned = true;
    this.#view.showReasons(digit, answer);
  }
}
