/** Ten detectors: their weights unpacked, and the scores that they give. */

import { Branch, innerProducts } from "./features.js";

/**
 * @typedef {{type: "float16" | "float32", start: number, length: number}} Stored in bytes; numbers
 */

/**
 * What every half-precision number is, by its sixteen bits.
 *
 * @returns {Float64Array}
 */
function halfNumbers() {
  const numbers = new Float64Array(1 << 16);
  for (let exponent = 0; exponent < 31; exponent++) {
    const unit = 2 ** (Math.max(exponent, 1) - 25);
    for (let fraction = 0; fraction < 1024; fraction++) {
      const number = unit * ((exponent ? 1024 : 0) + fraction);
      numbers[1024 * exponent + fraction] = number;
      numbers[32_768 + 1024 * exponent + fraction] = -number;
    }
  }
  return numbers;
}

/**
 * @param {Stored} stored
 * @param {ArrayBuffer} bytes
 * @param {Float64Array} halves
 */
function unpacked({ type, start, length }, bytes, halves) {
  if (type === "float32") return new Float64Array(new Float32Array(bytes, start, length));
  const numbers = new Float64Array(new Uint16Array(bytes, start, length));
  for (let i = 0; i < length; i++) numbers[i] = halves[numbers[i]];
  return numbers;
}

export class Detectors {
  #branches;
  #weights;
  #intercepts;

  /**
   * @param {any} description what the bytes are, see models/export.py
   * @param {ArrayBuffer} bytes
   */
  constructor({ branches, weights, intercepts }, bytes) {
    const halves = halfNumbers();
    const array = (/** @type {Stored} */ stored) => unpacked(stored, bytes, halves);
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
    this.#weights = array(weights);
    this.#intercepts = intercepts;
  }

  /**
   * @param {ArrayLike<number>} image 784 grey levels 0 to 255, ink high
   * @returns {number[]} ten log-odds
   */
  scores(image) {
    const levels = Float64Array.from(image, (level) => level / 255);
    const parts = this.#branches.flatMap((/** @type {Branch} */ branch) => branch.features(levels));
    const features = new Float64Array(this.#weights.length / this.#intercepts.length);
    let end = 0;
    for (const part of parts) {
      features.set(part, end);
      end += part.length;
    }
    const sums = innerProducts(features, this.#weights, features.length);
    return this.#intercepts.map((/** @type {number} */ intercept, /** @type {number} */ digit) =>
      intercept + sums[digit]);
  }
}
