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
 * @property {string | null} [models] what tells the detectors from others
 *
 * @typedef {{box: Box, digit: number, confidence: number, verdict: Verdict, votes: number[],
 *   scores?: number[], image?: number[][]}} FoundDigit
 * @typedef {{text: string, lines: string[], digits: FoundDigit[],
 *   fields: {box: Box, text: string, digits: number[]}[], signs: {box: Box, sign: string}[],
 *   left_out: {box: Box, reason: string}[], models?: string | null}} NumberReading
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
 * @param {(response: Response) => Promise<any>} [taken] what is made of what comes back
 * @returns {Promise<any>}
 */
async function ask(path, options = {}, taken = (response) => response.json()) {
  const limit = AbortSignal.timeout(LONGEST_WAIT);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  let response;
  try {
    response = await fetch(path, { ...options, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ServiceError("The service does not answer. Is ovr-digits still running?", 2);
  }
  const answer = await (response.ok ? taken(response) : response.json()).catch(() => null);
  if (response.ok && answer) return answer;
  const wait = Number(response.headers.get("Retry-After")) || (response.status === 503 ? 1 : null);
  const reason = answer?.error ?? `the service answered with status ${response.status}`;
  throw new ServiceError(`That did not work: ${reason}.`, wait);
}

/**
 * @param {string} path
 * @param {Record<string, string | number | boolean>} query
 * @param {Sheet} sheet
 * @param {AbortSignal} [signal]
 */
function send(path, query, sheet, signal) {
  const body = sheet.file();
  // The ink of a drawing is known to be dark.
  const invert = sheet.plain ? "no" : "auto";
  // Which detectors answered: a page that is left open may meet others.
  const taken = async (/** @type {Response} */ response) => ({
    ...(await response.json()),
    models: response.headers.get("Models-Digest"),
  });
  const values = Object.entries({ ...query, invert }).map(([key, value]) => [key, `${value}`]);
  return ask(`${path}?${new URLSearchParams(values)}`, { method: "POST", body, signal }, taken);
}

/**
 * @param {Sheet} sheet
 * @param {number | false} about of which digit to tell what spoke for it
 * @param {AbortSignal} [signal]
 * @returns {Promise<Prediction>}
 */
export function predict(sheet, about, signal) {
  const reasons = about === false ? {} : { contributions: true, about };
  return send("/api/predict", { form: true, ...reasons }, sheet, signal);
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
 * A page of a file as a picture that browsers show, and how many there are, if that is known.
 *
 * @param {File} file
 * @param {number} number from 1
 * @param {AbortSignal} [signal]
 * @returns {Promise<{picture: File, count: number}>} the count is infinite where it is not known
 */
export function page(file, number, signal) {
  const options = { method: "POST", body: file, signal };
  return ask(`/api/page?page=${number}`, options, async (response) => ({
    picture: new File([await response.blob()], file.name, { type: "image/png" }),
    count: Number(response.headers.get("Page-Count") ?? Infinity),
  }));
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

/**
 * @param {number} digit
 * @returns {Promise<number[][]>} what ink at each place does to the score of its detector
 */
export async function portrait(digit) {
  return (await ask(`/api/detectors/${digit}`)).effects;
}

/** @returns {Promise<import("./trials.js").Examples>} */
export function examples() {
  return ask("/static/examples.json");
}

/** @returns {Promise<{url: string | null, qr: string[] | null}>} where other machines find the page */
export function address() {
  return ask(`/api/address?scheme=${location.protocol.slice(0, -1)}`);
}
