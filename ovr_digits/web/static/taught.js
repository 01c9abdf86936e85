/** The reader, corrected by what this visitor has taught: that stays in this browser. */

import * as client from "./client.js";
import { Teaching } from "./teaching.js";
import { voteOn } from "./vote.js";

/**
 * @typedef {import("./teaching.js").Lesson & {time: string, models?: string | null}} Lesson models
 *   tells the detectors that it was taught to from others
 * @typedef {import("./client.js").Prediction & {untaught?: number[]}} Prediction with the scores of
 *   the detectors as they came
 */

export const REST = client.REST;
/** Lessons that there may be: more are better learnt by the detectors themselves. */
export const MOST = 200;
const KEY = "ovr-digits: what was taught";

/** @type {Lesson[]} */
let lessons = [];
/**
 * By the detectors that were taught: what some lack, others may know, or lack otherwise.
 *
 * @type {Map<string | null | undefined, Teaching>}
 */
let teachings = new Map();

/** Whether lessons outlast the page: a browser may forbid that. */
let lasting = true;

/** @param {Lesson[]} changed */
function take(changed) {
  const taught = Map.groupBy(changed, ({ models }) => models);
  teachings = new Map([...taught].map(([models, some]) => [models, new Teaching(some)]));
  lessons = changed;
}

/** Take over what is stored. */
function load() {
  try {
    take(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    lasting = false; // forbidden, or written by something else
  }
}

/** @param {Lesson[]} changed */
function change(changed) {
  take(changed);
  try {
    localStorage.setItem(KEY, JSON.stringify(lessons));
    lasting = true;
  } catch {
    lasting = false;
  }
}

load();

export function allLessons() {
  return lessons;
}

export function outlastsPage() {
  return lasting;
}

/**
 * Learn a drawing, at once; of the same drawing the last label counts.
 *
 * @param {Prediction} answer
 * @param {number | null} label null where it is no digit
 */
export function teach({ image = [], scores, untaught = scores, models }, label) {
  const same = JSON.stringify(image);
  const others = lessons.filter((lesson) => JSON.stringify(lesson.image) !== same);
  const time = `${new Date().toISOString().slice(0, 19)}Z`;
  change([...others, { label, time, image, scores: untaught, models }]);
}

export function undoLesson() {
  change(lessons.slice(0, -1));
}

export function forgetLessons() {
  change([]);
}

/** @param {() => void} act where another window has taught or forgotten */
export function onElsewhere(act) {
  addEventListener("storage", ({ key }) => {
    if (key !== KEY) return;
    load();
    act();
  });
}

/** @returns {Blob} the lessons as `ovr-digits adapt` takes them */
export function corrections() {
  const lines = lessons.map(({ label, time, image }) => JSON.stringify({ label, time, image }));
  return new Blob(lines.map((line) => `${line}\n`), { type: "application/jsonl" });
}

/**
 * @param {Pick<Lesson, "image" | "scores" | "models">} drawing and the scores of its detectors as they came
 */
export function voteAfter({ image, scores, models }) {
  return voteOn(teachings.get(models)?.corrected(image, scores) ?? scores);
}

/**
 * @template {{image?: number[][], scores?: number[], digit: number}} T
 * @param {T} answer
 * @param {string | null} [models]
 * @returns {T}
 */
function corrected(answer, models) {
  const { image, scores } = answer;
  if (!teachings.has(models) || !image || !scores) return answer;
  return { ...answer, ...voteAfter({ image, scores, models }), untaught: scores };
}

/**
 * @param {import("./sheet.js").Sheet} sheet
 * @param {number | false} about of which digit to tell what spoke for it
 * @param {AbortSignal} [signal]
 * @returns {Promise<Prediction>}
 */
export async function predict(sheet, about, signal) {
  const answer = await client.predict(sheet, about, signal);
  return corrected(answer, answer.models);
}

/**
 * @param {import("./sheet.js").Sheet} sheet
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./client.js").NumberReading>}
 */
export async function read(sheet, signal) {
  const reading = await client.read(sheet, signal);
  const digits = reading.digits.map((digit) => corrected(digit, reading.models));
  let place = 0;
  const text = reading.text.replace(/\d/g, () => `${digits[place++].digit}`);
  const fields = reading.fields.map((field) => {
    let at = 0;
    return { ...field, text: field.text.replace(/\d/g, () => `${digits[field.digits[at++]].digit}`) };
  });
  return { ...reading, digits, text, lines: text.split("\n"), fields };
}
