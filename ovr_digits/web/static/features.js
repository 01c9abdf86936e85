/** Convolutional kernel features: the same as core/features.py, in typed arrays, an image at a time. */

import { multiply, project } from "./products.js";
import { seen, SIDE } from "./views.js";

/**
 * @typedef {object} LayerArrays
 * @property {number} patch_size
 * @property {number} alpha
 * @property {boolean} centred
 * @property {Float32Array} anchors one after the other
 * @property {Float32Array | null} whitener (channels, anchors)
 * @property {Float32Array} pooling (windows, positions) along an axis
 * @typedef {{axes: Float32Array, offset: Float32Array}} Leading
 * @typedef {{view: import("./views.js").View, layers: LayerArrays[], leading: Leading | null}}
 *   BranchArrays
 */

const TINY = 1e-6;

/**
 * The product of a patch less its mean with an anchor is that of the patch with this.
 *
 * @param {Float32Array} anchors
 * @param {number} size of one
 */
function lessMeans(anchors, size) {
  const centred = anchors.slice();
  for (let first = 0; first < centred.length; first += size) {
    const anchor = centred.subarray(first, first + size);
    const mean = anchor.reduce((sum, value) => sum + value, 0) / size;
    for (let k = 0; k < size; k++) anchor[k] -= mean;
  }
  return centred;
}

/** One layer: patches compared with anchors, and the answers pooled. */
class Layer {
  #arrays;
  #side;
  #nChannels;
  #nPositions;
  #nAnchors;
  #anchors;
  /** Of a patch. */
  #size;
  /** Patches that are not blank, one after the other; their norms, and their positions. */
  #patches;
  #norms;
  #places;
  #products;
  #responses;
  /** These, pooled down the columns; along the rows, too; and in the channels that come out. */
  #down;
  #pooled;
  #maps;

  /**
   * @param {LayerArrays} arrays
   * @param {number} side of the maps that it takes
   * @param {number} nChannels of these
   */
  constructor(arrays, side, nChannels) {
    const { patch_size, anchors, centred, whitener, pooling } = arrays;
    this.#arrays = arrays;
    this.#side = side;
    this.#nChannels = nChannels;
    this.#nPositions = Math.max(side - patch_size, 0) + 1;
    const places = this.#nPositions ** 2;
    this.#size = patch_size ** 2 * nChannels;
    this.#nAnchors = anchors.length / this.#size;
    this.#anchors = centred ? lessMeans(anchors, this.#size) : anchors;
    this.nWindows = pooling.length / this.#nPositions;
    this.nOut = whitener ? whitener.length / this.#nAnchors : this.#nAnchors;
    this.#patches = new Float64Array(places * this.#size);
    this.#norms = new Float64Array(places);
    this.#places = new Uint16Array(places);
    this.#products = new Float64Array(places * this.#nAnchors);
    this.#responses = new Float64Array(places * this.#nAnchors);
    this.#down = new Float64Array(this.nWindows * this.#nPositions * this.#nAnchors);
    this.#pooled = new Float64Array(this.nWindows ** 2 * this.#nAnchors);
    this.#maps = new Float64Array(this.nWindows ** 2 * this.nOut);
  }

  /**
   * @param {Float64Array} maps rows of positions of channels
   * @returns {Float64Array} the same, pooled; until the next image
   */
  apply(maps) {
    const nPatches = this.#cut(maps);
    multiply(this.#patches, nPatches, this.#anchors, this.#size, this.#products);
    this.#respond(nPatches);
    this.#pool();
    const { whitener } = this.#arrays;
    if (!whitener) return this.#pooled;
    multiply(this.#pooled, this.nWindows ** 2, whitener, this.#nAnchors, this.#maps);
    return this.#maps;
  }

  /**
   * Lay out all patches that are not blank: all responses to the others are 0.
   *
   * @param {Float64Array} maps
   * @returns {number} how many there are
   */
  #cut(maps) {
    const { patch_size: size, centred } = this.#arrays;
    const [side, n, patches] = [this.#side, this.#nPositions, this.#patches];
    const width = size * this.#nChannels;
    // Maps that are narrower than the patch have zeros about them.
    const missing = Math.max(size - side, 0);
    const before = missing >> 1;
    const nRows = size - missing;
    const length = nRows * this.#nChannels;
    let found = 0;
    for (let position = 0; position < n * n; position++) {
      const column = position % n;
      const row = (position - column) / n;
      let squares = 0;
      let sum = 0;
      for (let i = 0; i < nRows; i++) {
        const from = ((row + i) * side + column) * this.#nChannels;
        const to = found * this.#size + (i + before) * width + before * this.#nChannels;
        for (let k = 0; k < length; k++) {
          const value = maps[from + k];
          patches[to + k] = value;
          squares += value * value;
          sum += value;
        }
      }
      if (squares === 0) continue;
      if (centred) squares = Math.max(squares - (sum * sum) / this.#size, TINY * squares);
      this.#norms[found] = Math.sqrt(squares) + TINY;
      this.#places[found] = position;
      found += 1;
    }
    return found;
  }

  /**
   * From the products of patches with anchors to the responses at all positions.
   *
   * @param {number} nPatches
   */
  #respond(nPatches) {
    const { alpha } = this.#arrays;
    const [nAnchors, products, responses] = [this.#nAnchors, this.#products, this.#responses];
    responses.fill(0);
    for (let patch = 0; patch < nPatches; patch++) {
      const norm = this.#norms[patch];
      const scale = alpha / norm;
      const from = patch * nAnchors;
      const to = this.#places[patch] * nAnchors;
      for (let k = 0; k < nAnchors; k++) {
        responses[to + k] = norm * Math.exp(scale * products[from + k] - alpha);
      }
    }
  }

  /** The responses under Gaussian windows, along one axis and then the other. */
  #pool() {
    const [n, nWindows, nAnchors] = [this.#nPositions, this.nWindows, this.#nAnchors];
    this.#gather(this.#responses, this.#down, n * nAnchors, 0, 0);
    for (let row = 0; row < nWindows; row++) {
      this.#gather(this.#down, this.#pooled, nAnchors, row * n * nAnchors, row * nWindows * nAnchors);
    }
  }

  /**
   * @param {Float64Array} from positions along an axis, so many numbers each
   * @param {Float64Array} to windows along it
   * @param {number} count
   * @param {number} start where in ``from``
   * @param {number} end where in ``to``
   */
  #gather(from, to, count, start, end) {
    const { pooling } = this.#arrays;
    for (let window = 0; window < this.nWindows; window++) {
      const target = end + window * count;
      to.fill(0, target, target + count);
      for (let place = 0; place < this.#nPositions; place++) {
        const weight = pooling[window * this.#nPositions + place];
        if (weight === 0) continue;
        const source = start + place * count;
        for (let k = 0; k < count; k++) to[target + k] += weight * from[source + k];
      }
    }
  }
}

/** One way of seeing an image, and the layers that it then goes through. */
export class Branch {
  #view;
  #leading;
  /** @type {Layer[]} */
  #layers = [];

  /** @param {BranchArrays} arrays */
  constructor({ view, layers, leading }) {
    this.#view = view;
    this.#leading = leading;
    let [side, nChannels] = [SIDE, 1];
    for (const arrays of layers) {
      const layer = new Layer(arrays, side, nChannels);
      this.#layers.push(layer);
      [side, nChannels] = [layer.nWindows, layer.nOut];
    }
  }

  /**
   * @param {Float64Array} image 0 to 1
   * @returns {Float64Array[]} the pooled maps, and the products of the leading coordinates if any
   */
  features(image) {
    let maps = seen(this.#view, image);
    for (const layer of this.#layers) maps = layer.apply(maps);
    if (!this.#leading) return [maps];
    const { axes, offset } = this.#leading;
    const u = project(maps, axes).map((value, axis) => value - offset[axis]);
    const products = new Float64Array((u.length * (u.length + 1)) / 2);
    let k = 0;
    for (let i = 0; i < u.length; i++) {
      for (let j = i; j < u.length; j++) products[k++] = u[i] * u[j];
    }
    return [maps, products];
  }
}
