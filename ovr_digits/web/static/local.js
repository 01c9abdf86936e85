/** Reads with the detectors that the page itself holds: what client.js offers, without a service. */

import { digitsAmong, inLines } from "./groups.js";

/**
 * @typedef {import("./ink.js").Rect} Rect
 * @typedef {import("./sheet.js").Sheet} Sheet
 * @typedef {import("./worker.js").Reading} Reading
 */

/** Whether there is a service, for what only that can do. */
export const SERVES = false;
/** Milliseconds to rest after each answer while a stroke is drawn. */
export const REST = 0;

const SIDE = 28;
const NOWHERE = { x: 0, y: 0, w: 0, h: 0 };

/** @param {string} name */
const textOf = (name) => document.getElementById(name)?.textContent ?? "";

const { description, about } = JSON.parse(textOf("description"));
const worker = new Worker(URL.createObjectURL(new Blob([textOf("worker")], { type: "text/javascript" })));
worker.postMessage({ weights: textOf("weights"), description });
document.getElementById("weights")?.remove(); // the worker has them now

/** @type {Map<number, {resolve: (reading: Reading) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let asked = 0;

worker.onmessage = (/** @type {MessageEvent} */ { data }) => {
  const { id, error, ...reading } = data;
  const { resolve, reject } = /** @type {any} */ (waiting.get(id));
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(reading);
};

/**
 * @param {Sheet[]} sheets
 * @param {Pick<import("./worker.js").Question, "find" | "reasons">} how
 * @param {AbortSignal} [signal]
 * @returns {Promise<Reading>}
 */
function ask(sheets, how, signal) {
  const id = asked++;
  const pictures = sheets.map((sheet) => sheet.pixels());
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    signal?.addEventListener("abort", () => reject(signal.reason));
    worker.postMessage({ id, pictures, ...how });
  });
}

/**
 * Read digits of a drawing by their strokes.
 *
 * @param {Sheet} sheet
 * @param {boolean} all or the one alone that was drawn last
 * @param {boolean} reasons
 * @param {AbortSignal} [signal]
 * @returns {Promise<Reading>}
 */
async function readDrawing(sheet, all, reasons, signal) {
  const { strokes } = sheet;
  const { digits, leftOut } = digitsAmong(strokes);
  const isLast = (/** @type {typeof digits[0]} */ { marks }) =>
    marks.some((mark) => mark === strokes.at(-1));
  const chosen = all ? digits : [digits.find(isLast) ?? digits[0]].filter(Boolean);
  // Where all is rubbed out, the blank paper is what there is to be looked at.
  const sheets = chosen.length ? chosen.map(({ marks }) => sheet.digit(marks)) : [sheet];
  const reading = await ask(sheets, { find: "none", reasons }, signal);
  const places = chosen.map(({ bounds }) => sheet.placeOf(bounds));
  return {
    ...reading,
    answers: reading.answers.map((answer, k) => ({ ...answer, bounds: places[k] ?? NOWHERE })),
    nDigits: digits.length,
    leftOut: leftOut.map(({ bounds }) => sheet.placeOf(bounds)),
  };
}

/** @type {(bounds: Rect) => import("./client.js").Box} */
const boxOf = ({ x, y, w, h }) => [x, y, w, h];

/** @type {(image: Uint8Array) => number[][]} */
const rowsOf = (image) =>
  Array.from({ length: SIDE }, (_, row) => [...image.subarray(row * SIDE, (row + 1) * SIDE)]);

/**
 * Of several digits the one that was drawn last, or the largest on a picture.
 *
 * @param {Sheet} sheet
 * @param {boolean} contributions
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./client.js").Prediction>}
 */
export async function predict(sheet, contributions, signal) {
  const { answers, nDigits, reasons } = sheet.plain
    ? await readDrawing(sheet, false, contributions, signal)
    : await ask([sheet], { find: "largest", reasons: contributions }, signal);
  const [{ vote, image, bounds }] = answers;
  return { ...vote, n_digits: nDigits, box: boxOf(bounds), image: rowsOf(image), contributions: reasons };
}

/**
 * @param {Sheet} sheet
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./client.js").NumberReading>}
 */
export async function read(sheet, signal) {
  const { answers, leftOut } = sheet.plain
    ? await readDrawing(sheet, true, false, signal)
    : await ask([sheet], { find: "all", reasons: false }, signal);
  const lines = inLines(answers);
  const texts = lines.map((line) => line.map(({ vote }) => vote.digit).join(""));
  return {
    text: texts.join("\n"),
    lines: texts,
    digits: lines.flat().map(({ vote, image, bounds }) => ({
      ...vote,
      box: boxOf(bounds),
      image: rowsOf(image),
    })),
    fields: [],
    signs: [],
    left_out: leftOut.map((bounds) => ({
      box: boxOf(bounds),
      reason: "far smaller than the largest mark",
    })),
  };
}

/** @returns {Promise<import("./client.js").Service>} */
export async function service() {
  return { version: about.version, keeps: false };
}

/** @returns {Promise<Record<string, any>>} */
export async function models() {
  return about;
}
