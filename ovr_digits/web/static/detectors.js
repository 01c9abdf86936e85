/** Ten detectors: their weights unpacked, and the scores that they give. */

import { Branch } from "./features.js";
import { project } from "./products.js";

/**
 * @typedef {{type: "float16" | "float32", start: number, length: number}} Stored in bytes; numbers
 */

/**
 * @param {Stored} stored
 * @param {ArrayBuffer} bytes
 * @returns {Float32Array}
 */
function unpacked({ type, start, length }, bytes) {
  if (type === "float32") return new Float32Array(bytes, start, length);
  const halves = new Uint16Array(bytes, start, length);
  const bits = new Uint32Array(length);
  // Sign, exponent and fraction where single precision has them; its exponents are 112 less.
  for (let i = 0; i < length; i++) {
    bits[i] = ((halves[i] & 0x8000) << 16) | ((halves[i] & 0x7fff) << 13);
  }
  const numbers = new Float32Array(bits.buffer);
  for (let i = 0; i < length; i++) numbers[i] *= 2 ** 112;
  return numbers;
}

export class Detectors {
  /** @type {Branch[]} */
  #branches;

  /**
   * @param {any} description what the bytes are, see models/packed.py
   * @param {ArrayBuffer} bytes
   */
  constructor({ branches, weights, intercepts }, bytes) {
    const array = (/** @type {Stored} */ stored) => unpacked(stored, bytes);
    this.#branches = branches.map(
      (/** @type {any} */ { view, layers, leading }) =>
        new Branch({
          view,
          layers: layers.map((/** @type {any} */ layer) => ({
            ...layer,
            anchors: array(layer.anchors),
            whitener: layer.whitener && array(layer.whitener),
            pooling: array(layer.pooling),
          })),
          leading: leading && { axes: array(leading.axes), offset: array(leading.offset) },
        }),
    );
    /** Of all features, one detector after the other. */
    this.weights = array(weights);
    /** @type {number[]} */
    this.intercepts = intercepts;
  }

  /**
   * @param {ArrayLike<number>} image 784 grey levels 0 to 255, ink high
   * @returns {Float64Array} what all detectors weigh
   */
  features(image) {
    const levels = Float64Array.from(image, (level) => level / 255);
    const features = new Float64Array(this.weights.length / this.intercepts.length);
    let end = 0;
    for (const branch of this.#branches) {
      for (const part of branch.features(levels)) {
        features.set(part, end);
        end += part.length;
      }
    }
    return features;
  }

  /**
   * @param {Float64Array} features
   * @returns {number[]} ten log-odds
   */
  scoresOf(features) {
    const sums = project(features, this.weights);
    return this.intercepts.map((intercept, digit) => intercept + sums[digit]);
  }

  /**
   * @param {ArrayLike<number>} image
   * @returns {number[]} ten log-odds
   */
  scores(image) {
    return this.scoresOf(this.features(image));
  }
}
