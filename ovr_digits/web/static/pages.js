/** Pages of a file: puts one on the paper, by the service where browsers cannot, and turns them. */

import * as client from "./client.js";
import { groundOf, loadPicture, UnknownPicture } from "./pictures.js";

/**
 * @typedef {object} Place which page of which file a picture is
 * @property {File} file
 * @property {number} number from 1
 * @property {number} count of the file's pages; infinite where they cannot be counted
 * @property {string} fault why the page is left blank, if it is
 */

/** What there is in a GIF, PNG, WebP or AVIF file that may have several pages, ... */
const SEVERAL = /^GIF8|acTL|ANIM|avis/;
/** ... and within how many bytes. */
const HEAD = 1_000_000;

/** @param {File} file */
const mayHaveSeveral = async (file) => SEVERAL.test(await file.slice(0, HEAD).text());

/**
 * @param {HTMLCanvasElement} other
 * @returns {HTMLCanvasElement} of the same size, white
 */
function blankLike({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  return canvas;
}

export class Pages {
  #paper;
  #group;
  #said;
  /** @type {HTMLButtonElement} */
  #previous;
  /** @type {HTMLButtonElement} */
  #next;
  /** @type {WeakMap<HTMLCanvasElement, Place>} */
  #places = new WeakMap();
  /** @type {{from: HTMLCanvasElement, number: number} | null} the page that is on its way */
  #turning = null;
  #asking = new AbortController();

  /**
   * @param {HTMLElement} group of what is to be seen while there is a file of several pages
   * @param {import("./paper.js").Paper} paper
   */
  constructor(group, paper) {
    this.#group = group;
    this.#paper = paper;
    this.#said = /** @type {HTMLOutputElement} */ (group.querySelector("output"));
    [this.#previous, this.#next] = group.querySelectorAll("button");
    this.#previous.addEventListener("click", () => this.#step(-1));
    this.#next.addEventListener("click", () => this.#step(1));
    group.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#step(step);
    });
    paper.addEventListener("change", () => this.#show());
  }

  /**
   * Put a file on the paper, or its first page.
   *
   * @param {File} file
   * @throws {Error} what is wrong with it, in words for the page
   */
  async open(file) {
    const signal = this.#begin();
    try {
      const picture = await loadPicture(file);
      if (signal.aborted) return;
      this.#put(picture);
      if (!client.SERVES || !(await mayHaveSeveral(file))) return;
      const { count } = await client.page(file, 1, signal);
      this.#places.set(picture, { file, number: 1, count, fault: "" });
      this.#show();
    } catch (error) {
      if (signal.aborted) return;
      if (!client.SERVES || !(error instanceof UnknownPicture)) throw error;
      await this.#fetch(file, 1, signal);
    }
  }

  /** Give up what is being asked for something else. */
  #begin() {
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#turning = null;
    return this.#asking.signal;
  }

  /** The page that is on its way in place of what is there. */
  get #wanted() {
    return this.#turning?.from === this.#paper.picture ? this.#turning?.number : undefined;
  }

  /** @param {number} by */
  async #step(by) {
    const from = this.#paper.picture;
    const place = from && this.#places.get(from);
    if (!place) return;
    const number = (this.#wanted ?? place.number) + by;
    if (number < 1 || number > place.count) return;
    const signal = this.#begin();
    this.#turning = { from, number };
    this.#show();
    try {
      await this.#fetch(place.file, number, signal, from);
    } catch (error) {
      if (signal.aborted) return;
      // The page before it must not be taken for it.
      const fault = /** @type {Error} */ (error).message;
      this.#turn(blankLike(from), { ...place, number, fault }, from);
    }
  }

  /**
   * @param {File} file
   * @param {number} number
   * @param {AbortSignal} signal
   * @param {HTMLCanvasElement} [from] the page that was there
   */
  async #fetch(file, number, signal, from) {
    const { picture, count } = await client.page(file, number, signal);
    const canvas = await loadPicture(picture);
    if (!signal.aborted) this.#turn(canvas, { file, number, count, fault: "" }, from);
  }

  /**
   * @param {HTMLCanvasElement} picture
   * @param {Place} place
   * @param {HTMLCanvasElement} [from]
   */
  #turn(picture, place, from) {
    this.#turning = null;
    // What was cleared or covered in the meantime is not turned any more.
    if (from && this.#paper.picture !== from) return;
    this.#places.set(picture, place);
    this.#put(picture, from);
  }

  /**
   * @param {HTMLCanvasElement} picture
   * @param {HTMLCanvasElement} [from]
   */
  #put(picture, from) {
    const { ground, dark } = groundOf(picture);
    this.#paper.putPicture(picture, ground, dark, from);
  }

  #show() {
    const { picture } = this.#paper;
    const place = picture && this.#places.get(picture);
    this.#group.hidden = !place || place.count === 1;
    if (!place) return;
    const number = this.#wanted ?? place.number;
    const of = Number.isFinite(place.count) ? ` of ${place.count}` : "";
    const rest = this.#wanted ? "…" : place.fault && `: ${place.fault}`;
    this.#said.value = `Page ${number}${of}${rest}`;
    // Not the attribute disabled: a button that has the focus would lose it.
    this.#previous.ariaDisabled = `${number <= 1}`;
    this.#next.ariaDisabled = `${number >= place.count}`;
  }
}
