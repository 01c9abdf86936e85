/** Talks to the service: pictures out, answers in, and every failure as one sentence. */

/**
 * @typedef {import("./sheet.js").Sheet} Sheet
 * @typedef {"sure" | "conflict" | "none"} Verdict
 * @typedef {[number, number, number, number]} Box x, y, width, height in pixels of the picture sent
 *
 * @typedef {object} Prediction
 * @property {number} digit
 * @property {number} confidence
 * @property {Verdict} verdict
 * @property {number[]} fired
 * @property {number[]} votes
 * @property {number[]} scores
 * @property {number} [n_digits]
 * @property {Box} [box]
 * @property {number[][]} [image]
 * @property {number[][]} [contributions]
 *
 * @typedef {{box: Box, digit: number, confidence: number, verdict: Verdict, votes: number[],
 *   scores?: number[], image?: number[][]}} FoundDigit
 * @typedef {{text: string, lines: string[], digits: FoundDigit[],
 *   fields: {box: Box, text: string, digits: number[]}[], signs: {box: Box, sign: string}[],
 *   left_out: {box: Box, reason: string}[]}} NumberReading
 *
 * @typedef {{version: string, keeps: boolean, max_bytes?: number}} Service
 */

/** Whether there is a service, for what only that can do. */
export const SERVES = true;
/** The rest after each answer while a stroke is drawn, so that its end finds the service free. */
export const REST = 50;
/** A picture that takes longer than this is given up. */
const LONGEST_WAIT = 60_000;

/** What went wrong, in words for the page. */
export class ServiceError extends Error {
  /**
   * @param {string} message
   * @param {number | null} retryAfter seconds after which it may work; null where it will not
   */
  constructor(message, retryAfter = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
async function ask(path, options = {}) {
  const limit = AbortSignal.timeout(LONGEST_WAIT);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  let response;
  try {
    response = await fetch(path, { ...options, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ServiceError("The service does not answer. Is ovr-digits still running?", 2);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const wait = Number(response.headers.get("Retry-After")) || (response.status === 503 ? 1 : null);
  const reason = answer?.error ?? `the service answered with status ${response.status}`;
  throw new ServiceError(`That did not work: ${reason}.`, wait);
}

/**
 * @param {string} path
 * @param {Record<string, string | number | boolean>} query
 * @param {Sheet | File} picture
 * @param {AbortSignal} [signal]
 */
function send(path, query, picture, signal) {
  const body = picture instanceof File ? picture : picture.file();
  // The ink of a drawing is known to be dark.
  const invert = !(picture instanceof File) && picture.plain ? "no" : "auto";
  const values = Object.entries({ ...query, invert }).map(([key, value]) => [key, `${value}`]);
  return ask(`${path}?${new URLSearchParams(values)}`, { method: "POST", body, signal });
}

/**
 * @param {Sheet | File} picture
 * @param {boolean} contributions
 * @param {AbortSignal} [signal]
 * @returns {Promise<Prediction>}
 */
export function predict(picture, contributions, signal) {
  return send("/api/predict", { form: true, contributions }, picture, signal);
}

/**
 * @param {Sheet} sheet
 * @param {AbortSignal} [signal]
 * @returns {Promise<NumberReading>}
 */
export function read(sheet, signal) {
  return send("/api/read", { form: true }, sheet, signal);
}

/**
 * @param {Sheet} sheet
 * @param {number | null} label null where it is no digit
 * @returns {Promise<{file: string}>}
 */
export function keep(sheet, label) {
  return send("/api/keep", { label: label ?? "none" }, sheet);
}

/** @returns {Promise<Service>} */
export function service() {
  return ask("/api/service");
}

/** @returns {Promise<Record<string, any>>} */
export function models() {
  return ask("/api/models");
}
