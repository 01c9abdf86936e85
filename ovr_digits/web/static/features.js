/** Convolutional kernel features: the same as core/features.py, in typed arrays, an image at a time. */

import { seen, SIDE } from "./views.js";

/**
 * Everything is in double precision, which is what JavaScript computes in: converting single
 * precision on the way takes as long as the arithmetic.
 *
 * @typedef {object} LayerArrays
 * @property {number} patch_size
 * @property {number} alpha
 * @property {boolean} centred
 * @property {Float64Array} anchors one after the other
 * @property {Float64Array | null} whitener (channels, anchors)
 * @property {Float64Array} pooling (windows, positions) along an axis
 * @typedef {{axes: Float64Array, offset: Float64Array}} Leading
 * @typedef {{view: import("./views.js").View, layers: LayerArrays[], leading: Leading | null}}
 *   BranchArrays
 */

const TINY = 1e-6;

/**
 * Inner products of all rows with all others: (rows, others).
 *
 * @param {Float64Array} rows
 * @param {Float64Array} others
 * @param {number} size of a row, and of one of the others
 */
export function innerProducts(rows, others, size) {
  // Whole numbers, and known as such: a place that may have a fraction takes twice as long to find.
  const nRows = (rows.length / size) | 0;
  const nOthers = (others.length / size) | 0;
  const products = new Float64Array(nRows * nOthers);
  // Two rows with four others at a time, so that each number is fetched for several products;
  // where fewer are left, the last is taken twice.
  for (let i = 0; i < nRows; i += 2) {
    const j = Math.min(i + 1, nRows - 1);
    for (let a = 0; a < nOthers; a += 4) {
      const b = Math.min(a + 1, nOthers - 1);
      const c = Math.min(a + 2, nOthers - 1);
      const d = Math.min(a + 3, nOthers - 1);
      const rowI = i * size;
      const rowJ = j * size;
      const rowA = a * size;
      const rowB = b * size;
      const rowC = c * size;
      const rowD = d * size;
      let ia = 0;
      let ib = 0;
      let ic = 0;
      let id = 0;
      let ja = 0;
      let jb = 0;
      let jc = 0;
      let jd = 0;
      for (let k = 0; k < size; k++) {
        const atI = rows[rowI + k];
        const atJ = rows[rowJ + k];
        const atA = others[rowA + k];
        const atB = others[rowB + k];
        const atC = others[rowC + k];
        const atD = others[rowD + k];
        ia += atI * atA;
        ib += atI * atB;
        ic += atI * atC;
        id += atI * atD;
        ja += atJ * atA;
        jb += atJ * atB;
        jc += atJ * atC;
        jd += atJ * atD;
      }
      products[i * nOthers + a] = ia;
      products[i * nOthers + b] = ib;
      products[i * nOthers + c] = ic;
      products[i * nOthers + d] = id;
      products[j * nOthers + a] = ja;
      products[j * nOthers + b] = jb;
      products[j * nOthers + c] = jc;
      products[j * nOthers + d] = jd;
    }
  }
  return products;
}

/** One layer: patches compared with anchors, and the answers pooled. */
class Layer {
  #arrays;
  #side;
  #nChannels;
  #nPositions;
  #size;
  #patches;
  #norms;

  /**
   * @param {LayerArrays} arrays
   * @param {number} side of the maps that it takes
   * @param {number} nChannels of these
   */
  constructor(arrays, side, nChannels) {
    this.#arrays = arrays;
    this.#side = side;
    this.#nChannels = nChannels;
    this.#nPositions = Math.max(side - arrays.patch_size, 0) + 1;
    this.#size = arrays.patch_size ** 2 * nChannels;
    if (arrays.centred) this.#centre();
    this.nAnchors = arrays.anchors.length / this.#size;
    this.nWindows = arrays.pooling.length / this.#nPositions;
    this.nOut = arrays.whitener ? arrays.whitener.length / this.nAnchors : this.nAnchors;
    this.#patches = new Float64Array(this.#nPositions ** 2 * this.#size);
    this.#norms = new Float64Array(this.#nPositions ** 2);
  }

  /** The product of a patch less its mean with an anchor is that of the patch with this. */
  #centre() {
    const { anchors } = this.#arrays;
    for (let first = 0; first < anchors.length; first += this.#size) {
      const anchor = anchors.subarray(first, first + this.#size);
      const mean = anchor.reduce((sum, value) => sum + value, 0) / this.#size;
      anchor.forEach((value, i) => (anchor[i] = value - mean));
    }
  }

  /**
   * @param {Float64Array} maps rows of positions of channels
   * @returns {Float64Array} the same, pooled
   */
  apply(maps) {
    const { anchors, alpha, whitener } = this.#arrays;
    this.#cut(maps);
    const responses = innerProducts(this.#patches, anchors, this.#size);
    this.#norms.forEach((norm, position) => {
      if (norm === TINY) return; // blank, and so are all responses to it
      const first = position * this.nAnchors;
      for (let k = first; k < first + this.nAnchors; k++) {
        responses[k] = norm * Math.exp(alpha * (responses[k] / norm - 1));
      }
    });
    const pooled = this.#pool(responses);
    return whitener ? innerProducts(pooled, whitener, this.nAnchors) : pooled;
  }

  /**
   * Lay out all patches, one after the other, and their norms.
   *
   * @param {Float64Array} maps
   */
  #cut(maps) {
    const { patch_size: size, centred } = this.#arrays;
    const [side, n, patches] = [this.#side, this.#nPositions, this.#patches];
    const width = size * this.#nChannels;
    // Maps that are narrower than the patch have zeros about them.
    const missing = Math.max(size - side, 0);
    const before = missing >> 1;
    const length = (size - missing) * this.#nChannels;
    for (let position = 0; position < n * n; position++) {
      const column = position % n;
      const row = (position - column) / n;
      let [squares, sum] = [0, 0];
      for (let i = 0; i < size - missing; i++) {
        const from = ((row + i) * side + column) * this.#nChannels;
        const to = position * this.#size + (i + before) * width + before * this.#nChannels;
        for (let k = 0; k < length; k++) {
          const value = maps[from + k];
          patches[to + k] = value;
          squares += value * value;
          sum += value;
        }
      }
      if (centred) squares = Math.max(squares - (sum * sum) / this.#size, TINY * squares);
      this.#norms[position] = Math.sqrt(squares) + TINY;
    }
  }

  /**
   * The responses under Gaussian windows, along one axis and then the other.
   *
   * @param {Float64Array} responses
   */
  #pool(responses) {
    const [n, nWindows, nAnchors] = [this.#nPositions, this.nWindows, this.nAnchors];
    const rows = new Float64Array(nWindows * n * nAnchors);
    this.#gather(responses, rows, n * nAnchors, 0, 0);
    const pooled = new Float64Array(nWindows * nWindows * nAnchors);
    for (let row = 0; row < nWindows; row++) {
      this.#gather(rows, pooled, nAnchors, row * n * nAnchors, row * nWindows * nAnchors);
    }
    return pooled;
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
    const u = innerProducts(maps, axes, maps.length).map((value, i) => value - offset[i]);
    const products = new Float64Array((u.length * (u.length + 1)) / 2);
    let k = 0;
    for (let i = 0; i < u.length; i++) {
      for (let j = i; j < u.length; j++) products[k++] = u[i] * u[j];
    }
    return [maps, products];
  }
}
