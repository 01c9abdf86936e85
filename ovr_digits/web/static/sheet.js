/** A part of the paper as readers take it: as a file or as pixels, whole or a digit at a time. */

import * as ink from "./ink.js";

/** @typedef {import("./ink.js").Rect} Rect */

/** Longest side of a sheet with one digit, in pixels. */
export const DRAWING = 224;
/**
 * What is left free about ink that is looked at, as a share of its longer side: a stroke that
 * crosses more than half of a picture may pass for a line of an exercise book.
 */
const MARGIN = 0.55;
/** Ink that is smaller than this, in paper units, is not enlarged to fill what is looked at. */
const LEAST = 150;

/**
 * @param {Rect} place of ink
 * @returns {Rect} it, with so much paper about it that it is seen as it is
 */
export function around({ x, y, w, h }) {
  const more = Math.max(0, LEAST - Math.max(w, h)) / 2;
  const least = { x: x - more, y: y - more, w: w + 2 * more, h: h + 2 * more };
  return ink.padded(least, MARGIN);
}

/** @type {(item: import("./ink.js").Stroke | import("./ink.js").Picture) => boolean} */
const erases = (item) => item.kind === "stroke" && item.erases;

/** @type {CanvasRenderingContext2D | null} */
let context = null;

/** One canvas for all, in memory: reading one back from the graphics card is slow. */
function memory() {
  const options = { alpha: false, willReadFrequently: true };
  context ??= /** @type {CanvasRenderingContext2D} */ (
    document.createElement("canvas").getContext("2d", options)
  );
  return context;
}

export class Sheet {
  #items;
  #part;
  #longest;
  #only;

  /**
   * @param {(import("./ink.js").Stroke | import("./ink.js").Picture)[]} items that are visible
   * @param {Rect} part of the paper
   * @param {number} longest its longest side in pixels
   * @param {Rect} only outside of this the paper is shown empty
   */
  constructor(items, part, longest, only = part) {
    this.#items = items;
    this.#part = part;
    this.#longest = longest;
    this.#only = only;
  }

  /** Whether the ink is known to be dark. */
  get plain() {
    return !ink.pictureOf(this.#items);
  }

  /** Those that leave ink here, and are not rubbed out. */
  get strokes() {
    const isErased = this.#items.some(erases);
    return this.#items.filter((item) => {
      if (erases(item) || !ink.holds(this.#only, item.bounds)) return false;
      return !isErased || this.digit([item]).#hasInk();
    });
  }

  /**
   * @param {(import("./ink.js").Stroke | import("./ink.js").Picture)[]} strokes
   * @returns {Sheet} these alone, as large as one digit is looked at
   */
  digit(strokes) {
    const bounds = strokes.map((stroke) => stroke.bounds).reduce(ink.union);
    const kept = this.#items.filter((item) => strokes.includes(item) || erases(item));
    return new Sheet(kept, around(bounds), DRAWING);
  }

  /** Pixels to a paper unit. */
  get #scale() {
    return this.#longest / Math.max(this.#part.w, this.#part.h);
  }

  /**
   * @param {Rect} place in paper units
   * @returns {Rect} in pixels of this sheet
   */
  placeOf({ x, y, w, h }) {
    const scale = this.#scale;
    return { x: (x - this.#part.x) * scale, y: (y - this.#part.y) * scale, w: w * scale, h: h * scale };
  }

  #draw() {
    const drawn = memory();
    const scale = this.#scale;
    drawn.canvas.width = Math.max(1, Math.round(this.#part.w * scale));
    drawn.canvas.height = Math.max(1, Math.round(this.#part.h * scale));
    ink.drawItems(drawn, this.#items, this.#part, this.#only);
    return drawn;
  }

  /** @returns {Blob} */
  file() {
    const { canvas } = this.#draw();
    const type = this.plain ? "image/png" : "image/jpeg";
    // Not toBlob: that waits until the browser has nothing else to do, which a small picture
    // need not.
    const [, base64] = canvas.toDataURL(type, 0.92).split(",");
    return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type });
  }

  #hasInk() {
    return this.pixels().data.some((level) => level < 255);
  }

  /** @returns {ImageData} */
  pixels() {
    const drawn = this.#draw();
    return drawn.getImageData(0, 0, drawn.canvas.width, drawn.canvas.height);
  }
}
