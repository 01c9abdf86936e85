/** Talks to the service: pictures out, answers in, and every failure as one sentence. */

/**
 * @typedef {"sure" | "conflict" | "none"} Verdict
 * @typedef {[number, number, number, number]} Box x, y, width, height in pixels of the picture sent
 *
 * @typedef {object} Prediction
 * @property {number} digit
 * @property {number} confidence
 * @property {Verdict} verdict
 * @property {number[]} fired
 * @property {number[]} votes
 * @property {number} [n_digits]
 * @property {Box} [box]
 * @property {number[][]} [image]
 * @property {number[][]} [contributions]
 *
 * @typedef {{box: Box, digit: number, confidence: number, verdict: Verdict, votes: number[]}} FoundDigit
 * @typedef {{text: string, lines: string[], digits: FoundDigit[],
 *   fields: {box: Box, text: string}[], signs: {box: Box, sign: string}[],
 *   left_out: {box: Box, reason: string}[]}} NumberReading
 *
 * @typedef {{version: string, keeps: boolean, max_bytes?: number}} Service
 */

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
 * @param {Blob} picture
 * @param {AbortSignal} [signal]
 */
function send(path, query, picture, signal) {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, `${value}`]));
  return ask(`${path}?${text}`, { method: "POST", body: picture, signal });
}

/**
 * @param {Blob} picture
 * @param {"auto" | "no"} invert "no" where the ink is known to be dark
 * @param {boolean} contributions
 * @param {AbortSignal} [signal]
 * @returns {Promise<Prediction>}
 */
export function predict(picture, invert, contributions, signal) {
  return send("/api/predict", { form: true, contributions, invert }, picture, signal);
}

/**
 * @param {Blob} picture
 * @param {"auto" | "no"} invert
 * @param {AbortSignal} [signal]
 * @returns {Promise<NumberReading>}
 */
export function read(picture, invert, signal) {
  return send("/api/read", { invert }, picture, signal);
}

/**
 * @param {Blob} picture
 * @param {"auto" | "no"} invert
 * @param {number} label
 * @returns {Promise<{file: string}>}
 */
export function keep(picture, invert, label) {
  return send("/api/keep", { label, invert }, picture);
}

/** @returns {Promise<Service>} */
export function service() {
  return ask("/api/service");
}

/** @returns {Promise<Record<string, any>>} */
export function models() {
  return ask("/api/models");
}
