/** Evens out an image before its patches are compared: the same as core/views.py, in typed arrays. */

/**
 * @typedef {{deskewed: boolean, width: number | null, height: number | null,
 *   box: [number, number] | null}} View lengths are in pixels
 */

export const SIDE = 28;
const LEAST_VARIANCE = 0.5;
/** How far ink may be squeezed and stretched: pixels of the image to one of the view. */
const HEIGHT_CHANGE = [0.6, 1.5];
const WIDTH_CHANGE = [0.3, 1.6];
const BOX_HEIGHT_CHANGE = [0.5, 1.3];
const BOX_WIDTH_CHANGE = [0.25, 1.3];

/**
 * @param {View} view
 * @param {Float64Array} image 28 rows of 28, 0 to 1
 * @returns {Float64Array} as it is seen
 */
export function seen(view, image) {
  const upright = view.deskewed ? normaliseMoments(image, view) : image;
  return view.box ? fillBox(upright, view.box) : upright;
}

/**
 * @param {number} value
 * @param {number[]} limits
 */
const clip = (value, [least, most]) => Math.min(Math.max(value, least), most);

/**
 * An image read between its pixels; beyond the edge there is nothing.
 *
 * @param {Float64Array} image
 * @param {(row: number) => number} rowOf where a row is read
 * @param {(row: number, column: number) => number} columnOf
 */
function sampled(image, rowOf, columnOf) {
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    row >= 0 && row < SIDE && column >= 0 && column < SIDE ? image[row * SIDE + column] : 0;
  const result = new Float64Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    const y = clip(rowOf(row), [-1, SIDE]);
    const top = Math.floor(y);
    for (let column = 0; column < SIDE; column++) {
      const x = clip(columnOf(row, column), [-1, SIDE]);
      const left = Math.floor(x);
      const [a, b] = [at(top, left), at(top + 1, left)];
      const upper = a + (x - left) * (at(top, left + 1) - a);
      const lower = b + (x - left) * (at(top + 1, left + 1) - b);
      result[row * SIDE + column] = upper + (y - top) * (lower - upper);
    }
  }
  return result;
}

/**
 * The image deskewed by the moments of its ink, which gets a spread where the view asks for one.
 *
 * @param {Float64Array} image
 * @param {View} view
 */
function normaliseMoments(image, { width, height }) {
  let [mass, sumY, sumX, sumYY, sumXX, sumXY] = [1e-6, 0, 0, 0, 0, 0];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const ink = image[y * SIDE + x];
      mass += ink;
      sumY += ink * y;
      sumX += ink * x;
      sumYY += ink * y * y;
      sumXX += ink * x * x;
      sumXY += ink * x * y;
    }
  }
  const [centreY, centreX] = [sumY / mass, sumX / mass];
  const varianceY = Math.max(sumYY / mass - centreY ** 2, LEAST_VARIANCE);
  const varianceX = sumXX / mass - centreX ** 2;
  const covariance = sumXY / mass - centreY * centreX;
  const slant = clip(covariance / varianceY, [-1, 1]);
  const uprightVariance = Math.max(varianceX - slant * covariance, LEAST_VARIANCE);
  const down = height ? clip(Math.sqrt(varianceY) / height, HEIGHT_CHANGE) : 1;
  const across = width ? clip(Math.sqrt(uprightVariance) / width, WIDTH_CHANGE) : 1;
  return sampled(
    image,
    (row) => centreY + down * (row - centreY),
    (row, column) => centreX + across * (column - centreX) + slant * down * (row - centreY),
  );
}

/**
 * The ink stretched or squeezed to a box about the middle.
 *
 * @param {Float64Array} image
 * @param {[number, number]} box height and width
 */
function fillBox(image, [height, width]) {
  const isInked = (/** @type {number} */ row, /** @type {number} */ column) =>
    image[row * SIDE + column] > 0.5;
  const rows = stretched((row, other) => isInked(row, other), height, BOX_HEIGHT_CHANGE);
  const columns = stretched((column, other) => isInked(other, column), width, BOX_WIDTH_CHANGE);
  return sampled(image, rows, (_, column) => columns(column));
}

/**
 * Where places along an axis are read, so that the ink gets a length.
 *
 * @param {(place: number, other: number) => boolean} isInked
 * @param {number} length
 * @param {number[]} change
 */
function stretched(isInked, length, change) {
  const places = Array.from({ length: SIDE }, (_, place) => place);
  const inked = places.map((place) => places.some((other) => isInked(place, other)));
  const first = Math.max(inked.indexOf(true), 0);
  const last = inked.includes(true) ? inked.lastIndexOf(true) : SIDE - 1;
  const factor = clip((last - first + 1) / length, change);
  return (/** @type {number} */ place) => (first + last) / 2 + factor * (place - (SIDE - 1) / 2);
}
