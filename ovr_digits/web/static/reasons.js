/** What in an image spoke for a digit and what against it: the same as core/occlusion.py. */

const SIDE = 28;
/** Standard deviation in pixels of the soft window under which ink is taken away. */
const WINDOW = 1.5;
/** Pixels between windows. */
const STEP = 2;
/** Share of the darkest ink from which a pixel has a window over it. */
const LEAST_INK = 0.25;

/**
 * Take ink away at one place after the other, and see how far the score falls.
 *
 * @param {Uint8Array} image
 * @param {(image: Float32Array) => number} scoreOf
 * @returns {Generator<void, number[][]>} one step for each place; then 28 rows of 28 log-odds
 */
export function* contributions(image, scoreOf) {
  const whole = scoreOf(Float32Array.from(image));
  const [falls, weights] = [new Float64Array(image.length), new Float64Array(image.length)];
  for (const [row, column] of placesIn(image)) {
    const window = Float64Array.from(image, (_, k) => {
      const x = k % SIDE;
      const squares = ((k - x) / SIDE - row) ** 2 + (x - column) ** 2;
      return Math.exp(-squares / (2 * WINDOW ** 2));
    });
    const fall = whole - scoreOf(Float32Array.from(image, (level, k) => level * (1 - window[k])));
    window.forEach((share, k) => {
      falls[k] += fall * share;
      weights[k] += share;
    });
    yield;
  }
  return Array.from({ length: SIDE }, (_, row) =>
    Array.from({ length: SIDE }, (_, column) => {
      const k = row * SIDE + column;
      return image[k] ? falls[k] / weights[k] : 0;
    }),
  );
}

/** @param {Uint8Array} image */
function placesIn(image) {
  const least = LEAST_INK * Math.max(...image);
  const found = new Map();
  image.forEach((level, k) => {
    if (level <= least) return;
    const column = Math.floor((k % SIDE) / STEP);
    const row = Math.floor(k / SIDE / STEP);
    const middle = (/** @type {number} */ step) => STEP * step + (STEP - 1) / 2;
    found.set(row * SIDE + column, [middle(row), middle(column)]);
  });
  return found.values();
}
