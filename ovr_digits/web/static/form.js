/** Brings ink to the form of MNIST's digits: the same as picture/mnist_form.py. */

/** @typedef {{width: number, height: number, levels: Float32Array}} Ink 0 to 1, paper exactly 0 */

const SIDE = 28;
/** MNIST scales the ink to fit a box of 20 by 20. */
const BOX = 20;
/** Pen widths in pixels of that box between which a pen stays as it is. */
const KEPT_WIDTHS = [1.8, 4.5];
/** What a thinner pen, and a thicker one, is brought to. */
const THIN_TO = 2.4;
const THICK_TO = 3.8;
/** Pixels to a pixel of the box while the pen is measured and changed. */
const DETAIL = 4;

/**
 * @param {Ink} ink
 * @returns {Uint8Array | null} 28 rows of 28 grey levels, ink is 255; null where there is no ink
 */
export function toForm(ink) {
  const cut = cropped(ink);
  return cut && inBox(withUsualPen(cut));
}

/** @type {(value: number) => number} to the nearest whole number, halves to the even one */
function rounded(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2) ? floor + 1 : floor;
}

/** @type {(levels: Float32Array) => number} */
const most = (levels) => levels.reduce((a, b) => Math.max(a, b), 0);

/**
 * @param {Ink} ink
 * @returns {Ink | null} the smallest box about all of it
 */
export function cropped({ width, height, levels }) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (levels[y * width + x] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  if (right <= left) return null;
  const size = { width: right - left, height: bottom - top };
  const cut = new Float32Array(size.width * size.height);
  for (let y = top; y < bottom; y++) {
    cut.set(levels.subarray(y * width + left, y * width + right), (y - top) * size.width);
  }
  return { ...size, levels: cut };
}

/**
 * Ink as if it were written with a pen like those of MNIST.
 *
 * @param {Ink} ink cropped
 * @returns {Ink}
 */
function withUsualPen(ink) {
  const long = Math.max(ink.width, ink.height);
  const fine = resized(ink, (BOX * DETAIL) / long);
  const width = penWidth(fine) / DETAIL;
  if (width >= KEPT_WIDTHS[0] && width <= KEPT_WIDTHS[1]) return ink;
  return withPen(ink, width, width < THIN_TO ? THIN_TO : THICK_TO);
}

/**
 * Bicubic, and with as much of the picture under it as a new pixel covers.
 *
 * @param {Ink} ink
 * @param {number} scale
 * @returns {Ink}
 */
function resized({ width, height, levels }, scale) {
  const newWidth = Math.max(1, rounded(width * scale));
  const newHeight = Math.max(1, rounded(height * scale));
  const across = new Float32Array(height * newWidth);
  weightsOf(width, newWidth).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += levels[y * width + first + k] * weights[k];
      across[y * newWidth + x] = sum;
    }
  });
  const result = new Float32Array(newHeight * newWidth);
  weightsOf(height, newHeight).forEach(({ first, weights }, y) => {
    for (let x = 0; x < newWidth; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += across[(first + k) * newWidth + x] * weights[k];
      // In single precision first, as it is in Python.
      result[y * newWidth + x] = Math.min(Math.max(Math.fround(sum), 0), 1);
    }
  });
  return { width: newWidth, height: newHeight, levels: result };
}

/**
 * How much of each old pixel is in each new one, as Pillow has it.
 *
 * @param {number} from pixels along an axis
 * @param {number} to pixels along it
 */
function weightsOf(from, to) {
  const scale = from / to;
  const spread = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - 2 * spread + 0.5), 0);
    const last = Math.min(Math.trunc(centre + 2 * spread + 0.5), from);
    const weights = Array.from({ length: last - first }, (_, k) =>
      bicubic((first + k - centre + 0.5) / spread),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** @param {number} distance */
function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? -0.5 * (((x - 5) * x + 8) * x - 4) : 0;
}

/**
 * Width of strokes in pixels: across one, the distance to its edge goes evenly from 0 to half of it.
 *
 * @param {Ink} ink
 */
function penWidth({ width, height, levels }) {
  const half = 0.5 * most(levels);
  return widthOf(distances(width, height, (x, y) => levels[y * width + x] > half));
}

/** @param {Float32Array} depths 0 outside */
function widthOf(depths) {
  let [sum, count] = [0, 0];
  for (const depth of depths) {
    if (depth === 0) continue;
    // Distances to the middle of the nearest pixel outside are half a pixel too long.
    sum += depth - 0.5;
    count += 1;
  }
  return (4 * sum) / count + 1;
}

/**
 * Cropped ink as a pen would have left it that is so wide, in pixels of the box.
 *
 * @param {Ink} ink
 * @param {number} width
 * @param {number} wanted
 * @returns {Ink}
 */
function withPen(ink, width, wanted) {
  // The middle lines of the strokes fill what the pen leaves of the box.
  const long = Math.max(ink.width, ink.height);
  const scale = (DETAIL * (BOX - wanted)) / (long * Math.max(1 - width / BOX, 0.25));
  const fine = resized(ink, scale);
  const half = 0.5 * most(fine.levels);
  const isInside = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < fine.width && y < fine.height && fine.levels[y * fine.width + x] > half;
  let size = { width: fine.width, height: fine.height };
  let depth = distances(size.width, size.height, isInside);
  const change = Math.fround((wanted * DETAIL - widthOf(depth)) / 2);
  if (change > 0) {
    const more = Math.ceil(change) + 1;
    size = { width: fine.width + 2 * more, height: fine.height + 2 * more };
    const isOutside = (/** @type {number} */ x, /** @type {number} */ y) =>
      !isInside(x - more, y - more);
    depth = distances(size.width, size.height, isOutside, 1 + change).map((away) => 1 - away);
  }
  const levels = depth.map((value) => Math.min(Math.max(value + change, 0), 1));
  return cropped({ ...size, levels }) ?? ink;
}

/**
 * Distance of each pixel that is inside to the nearest that is not, 0 outside; beyond the picture
 * nothing is inside, unless there is a reach, beyond which distances may be too long.
 *
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => boolean} isInside
 * @param {number} [reach]
 */
function distances(width, height, isInside, reach) {
  const beyond = reach === undefined ? 0 : width + height;
  // Up and down in its own column first.
  const along = new Float32Array(width * height);
  for (let x = 0; x < width; x++) {
    for (let y = 0, far = beyond; y < height; y++) {
      far = isInside(x, y) ? far + 1 : 0;
      along[y * width + x] = far;
    }
    for (let y = height - 1, far = beyond; y >= 0; y--) {
      far = Math.min(far + 1, along[y * width + x]);
      along[y * width + x] = far;
    }
  }
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let nearest = along[y * width + x] ** 2;
      for (let apart = 1; apart * apart < nearest && !(apart >= (reach ?? Infinity)); apart++) {
        for (const at of [x - apart, x + apart]) {
          const there = at < 0 || at >= width ? beyond : along[y * width + at];
          nearest = Math.min(nearest, there * there + apart * apart);
        }
      }
      result[y * width + x] = Math.sqrt(nearest);
    }
  }
  return result;
}

/**
 * Ink scaled to fit the box, with its centre of mass as near the centre as it fits.
 *
 * @param {Ink} ink cropped
 */
function inBox(ink) {
  const small = resized(ink, BOX / Math.max(ink.width, ink.height));
  const full = Math.max(most(small.levels), 1e-6);
  const levels = small.levels.map((level) => level / full);
  let [mass, sumX, sumY] = [0, 0, 0];
  levels.forEach((level, k) => {
    const x = k % small.width;
    mass += level;
    sumX += level * x;
    sumY += (level * (k - x)) / small.width;
  });
  const corner = (/** @type {number} */ middle, /** @type {number} */ side) =>
    Math.min(Math.max(rounded((SIDE - 1) / 2 - middle), 0), SIDE - side);
  const [left, top] = [corner(sumX / mass, small.width), corner(sumY / mass, small.height)];
  const image = new Uint8Array(SIDE * SIDE);
  levels.forEach((level, k) => {
    const x = k % small.width;
    const y = (k - x) / small.width;
    image[(top + y) * SIDE + left + x] = rounded(Math.fround(level * 255));
  });
  return image;
}
