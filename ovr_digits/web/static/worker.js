/** Reads pictures beside the page, so that drawing never waits: the ten detectors and their features. */

import { Detectors } from "./detectors.js";
import { toForm } from "./form.js";
import { digitsAmong } from "./groups.js";
import { inkOf, only, regionsOf } from "./pixels.js";
import { contributions } from "./reasons.js";
import { voteOn } from "./vote.js";

/**
 * @typedef {import("./ink.js").Rect} Rect in pixels of the picture
 *
 * @typedef {object} Question
 * @property {number} id
 * @property {import("./pixels.js").Pixels[]} pictures
 * @property {"none" | "largest" | "all"} find which digits of a picture with several: with none, all
 *   that is on a picture is one digit
 * @property {number | false} [about] of which digit to tell what spoke for it in the first picture
 *
 * @typedef {object} Reading
 * @property {{vote: import("./vote.js").Answer, image: Uint8Array, bounds: Rect}[]} answers
 * @property {number} nDigits how many there are, answered or not
 * @property {Rect[]} leftOut
 * @property {number[][]} [reasons]
 */

const SIDE = 28;
/** After as many pictures all is compiled. */
const PRACTICE = 10;

/** @type {Detectors} */
let detectors;
/** The question that was asked last. */
let newest = -1;

/** @param {Uint8Array | Float32Array} image */
const scoresOf = (image) => detectors.scores(image);

/**
 * @param {import("./form.js").Ink | null} ink
 * @param {Rect} bounds of it in the picture
 */
function answerTo(ink, bounds) {
  const image = (ink && toForm(ink)) ?? new Uint8Array(SIDE * SIDE);
  return { vote: voteOn(scoresOf(image)), image, bounds };
}

/**
 * @param {Question} question
 * @returns {Reading}
 */
function readingOf({ pictures, find }) {
  const inks = pictures.map(inkOf);
  const [ink] = inks;
  if (find === "none" || !ink) {
    const nowhere = { x: 0, y: 0, w: 0, h: 0 };
    return { answers: inks.map((each) => answerTo(each, nowhere)), nDigits: 1, leftOut: [] };
  }
  const { digits, leftOut } = digitsAmong(regionsOf(ink));
  const area = (/** @type {{bounds: Rect}} */ { bounds }) => bounds.w * bounds.h;
  const largest = digits.reduce((a, b) => (area(b) > area(a) ? b : a));
  const answers = (find === "all" ? digits : [largest]).map(({ bounds, marks }) =>
    answerTo(only(ink, marks.flatMap(({ places }) => places)), bounds),
  );
  return { answers, nDigits: digits.length, leftOut: leftOut.map(({ bounds }) => bounds) };
}

/** Let questions in that have come meanwhile. */
function pause() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(null);
  });
}

/** A ring that a thin pen drew. */
function practicePicture() {
  const side = 224;
  const data = new Uint8ClampedArray(4 * side * side).fill(255);
  for (let k = 0; k < side * side; k++) {
    const x = k % side;
    const radius = Math.hypot(x - side / 2, (k - x) / side - side / 2);
    if (radius > 48 && radius < 54) data.fill(0, 4 * k, 4 * k + 3);
  }
  return { width: side, height: side, data };
}

/** Read a few pictures before anybody asks: what the browser has not yet compiled is slow. */
async function practise() {
  const ring = practicePicture();
  for (let k = 0; k < PRACTICE; k++) {
    await pause();
    if (newest >= 0) return;
    const ink = inkOf(ring);
    const image = ink && toForm(ink);
    if (image) scoresOf(image);
  }
}

/**
 * @param {Uint8Array} image
 * @param {number} digit
 * @param {number} id of the question
 */
async function reasonsOf(image, digit, id) {
  const steps = contributions(image, (changed) => scoresOf(changed)[digit]);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await pause();
    if (id !== newest) return undefined; // nobody waits for it any more
  }
}

/**
 * @param {string} base64
 * @returns {Uint8Array}
 */
function bytesOf(base64) {
  const { fromBase64 } = /** @type {any} */ (Uint8Array);
  if (fromBase64) return fromBase64.call(Uint8Array, base64);
  // Browsers from before the autumn of 2025.
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

onmessage = async ({ data }) => {
  if (data.weights) {
    detectors = new Detectors(data.description, bytesOf(data.weights).buffer);
    await practise();
    return;
  }
  const question = /** @type {Question} */ (data);
  const { id, about = false } = question;
  newest = id;
  try {
    const reading = readingOf(question);
    if (about !== false) reading.reasons = await reasonsOf(reading.answers[0].image, about, id);
    postMessage({ id, ...reading });
  } catch (error) {
    postMessage({ id, error: /** @type {Error} */ (error).message });
  }
};
