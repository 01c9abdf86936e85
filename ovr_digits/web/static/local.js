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

const { description, about, portraits } = JSON.parse(textOf("description"));
const worker = new Worker(URL.createObjectURL(new Blob([textOf("worker")], { type: "text/javascript" })));
/** Done when the worker has the weights, which stand at the end of the page. */
const ready = new Promise((done) => {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", done);
  else done(undefined);
}).then(() => {
  worker.postMessage({ weights: textOf("weights"), description });
  document.getElementById("weights")?.remove();
});

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
 * @param {Pick<import("./worker.js").Question, "find" | "about">} how
 * @param {AbortSignal} [signal]
 * @returns {Promise<Reading>}
 */
function ask(sheets, how, signal) {
  const id = asked++;
  const pictures = sheets.map((sheet) => sheet.pixels());
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    signal?.addEventListener("abort", () => reject(signal.reason));
    // The pixels are handed over, not copied.
    const pixels = pictures.map(({ data }) => data.buffer);
    ready.then(() => worker.postMessage({ id, pictures, ...how }, pixels));
  });
}

/**
 * Read digits of a drawing by their strokes.
 *
 * @param {Sheet} sheet
 * @param {boolean} all or the one alone that was drawn last
 * @param {number | false} whose
 * @param {AbortSignal} [signal]
 * @returns {Promise<Reading>}
 */
async function readDrawing(sheet, all, whose, signal) {
  const { strokes } = sheet;
  const { digits, leftOut } = digitsAmong(strokes);
  const isLast = (/** @type {typeof digits[0]} */ { marks }) =>
    marks.some((mark) => mark === strokes.at(-1));
  const chosen = all ? digits : [digits.find(isLast) ?? digits[0]].filter(Boolean);
  // Where all is rubbed out, the blank paper is what there is to be looked at.
  const sheets = chosen.length ? chosen.map(({ marks }) => sheet.digit(marks)) : [sheet];
  const reading = await ask(sheets, { find: "none", about: whose }, signal);
  const places = chosen.map(({ bounds }) => sheet.placeOf(bounds));
  return {
    ...reading,
    answers: reading.answers.map((answer, k) => ({ ...answer, bounds: places[k] ?? NOWHERE })),
    nDigits: digits.length,
    leftOut: leftOut.map(({ bounds }) => sheet.placeOf(bounds)),
  };
}

/** @type {(values: Uint8Array | Int8Array) => number[][]} */
const inRows = (values) =>
  Array.from({ length: SIDE }, (_, row) => [...values.subarray(row * SIDE, (row + 1) * SIDE)]);

/** @type {(bounds: Rect) => import("./client.js").Box} */
const boxOf = ({ x, y, w, h }) => [x, y, w, h];

/**
 * Of several digits the one that was drawn last, or the largest on a picture.
 *
 * @param {Sheet} sheet
 * @param {number | false} whose of which digit to tell what spoke for it
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./client.js").Prediction>}
 */
export async function predict(sheet, whose, signal) {
  const { answers, nDigits, reasons } = sheet.plain
    ? await readDrawing(sheet, false, whose, signal)
    : await ask([sheet], { find: "largest", about: whose }, signal);
  const [{ vote, image, bounds }] = answers;
  return {
    ...vote,
    n_digits: nDigits,
    box: boxOf(bounds),
    image: inRows(image),
    contributions: reasons,
    models: about.digest,
  };
}

/**
 * @param {Sheet} sheet
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./client.js").NumberReading>}
 */
export async function read(sheet, signal) {
  const { answers, leftOut } = sheet.plain
    ? await readDrawing(sheet, true, false, signal)
    : await ask([sheet], { find: "all", about: false }, signal);
  const lines = inLines(answers);
  const texts = lines.map((line) => line.map(({ vote }) => vote.digit).join(""));
  return {
    text: texts.join("\n"),
    lines: texts,
    digits: lines.flat().map(({ vote, image, bounds }) => ({
      ...vote,
      box: boxOf(bounds),
      image: inRows(image),
    })),
    fields: [],
    signs: [],
    left_out: leftOut.map((bounds) => ({
      box: boxOf(bounds),
      reason: "far smaller than the largest mark",
    })),
    models: about.digest,
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

/**
 * @param {number} digit
 * @returns {Promise<number[][]>} what ink at each place does to the score of its detector
 */
export async function portrait(digit) {
  const effects = Int8Array.from(atob(portraits[digit]), (letter) => letter.charCodeAt(0));
  return inRows(effects);
}

/** @returns {Promise<import("./trials.js").Examples>} */
export async function examples() {
  return JSON.parse(textOf("examples"));
}

/** @returns {Promise<{url: string | null, qr: string[] | null}>} of what is served only */
export async function address() {
  return { url: null, qr: null };
}
