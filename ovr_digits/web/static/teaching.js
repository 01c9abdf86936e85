/** Corrects ten scores by what a visitor has taught: forms like those taught, and hardly others. */

const SIDE = 28;
// Chosen on drawings in twenty writers' odd forms and on 2,000 training images of MNIST.
/** Standard deviation of the blur under which forms are compared, in pixels: how far a hand strays. */
const BLUR = 2;
/** How fast a lesson's weight falls off, for each unit that the cosine of two forms is below 1. */
const SHARPNESS = 25;
/** Log-odds that the detectors are taught to be sure by: further, so that it reaches like forms. */
const MARGIN = 8;
/** Added to the likeness of each form with itself, so that those nearly the same are averaged. */
const RIDGE = 0.05;

/**
 * @typedef {object} Lesson
 * @property {number | null} label the digit that it was; null where it was none
 * @property {number[][]} image 28 rows of 28 grey levels
 * @property {number[]} scores ten, of the detectors as they came
 */

const REACH = 4 * BLUR;
const WEIGHTS = Array.from({ length: 2 * REACH + 1 }, (_, k) =>
  Math.exp(-0.5 * ((k - REACH) / BLUR) ** 2),
);

/**
 * @param {number[][]} rows
 * @returns {number[][]} each row blurred, and rows for columns
 */
function blurredAcross(rows) {
  return rows.map((_, x) =>
    rows.map((row) => {
      let sum = 0;
      for (let k = Math.max(0, x - REACH); k < Math.min(SIDE, x + REACH + 1); k++) {
        sum += row[k] * WEIGHTS[k - x + REACH];
      }
      return sum;
    }),
  );
}

/** @type {(a: number[], b: number[]) => number} */
function innerProduct(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/**
 * @param {number[][]} image
 * @returns {number[]} the blurred image, 1 long
 */
function lookOf(image) {
  const look = blurredAcross(blurredAcross(image)).flat();
  const length = Math.sqrt(innerProduct(look, look)) || 1;
  return look.map((level) => level / length);
}

/** @type {(a: number[], b: number[]) => number} 1 for the same look, soon near 0 for others */
const likeness = (a, b) => Math.exp(SHARPNESS * (innerProduct(a, b) - 1));

/**
 * @param {Lesson} lesson
 * @returns {number[]} what is missing of ten scores that are right by the margin
 */
function missing({ label, scores }) {
  return scores.map((score, digit) => {
    const wanted = digit === label ? MARGIN : -MARGIN;
    return Math.sign(wanted) * score < MARGIN ? wanted - score : 0;
  });
}

/**
 * Solve A X = B by Cholesky's factors.
 *
 * @param {number[][]} A symmetric and positive definite
 * @param {number[][]} B
 */
function solved(A, B) {
  const lower = A.map((row) => [...row]);
  const X = B.map((row) => [...row]);
  const subtract = (/** @type {number} */ i, /** @type {number} */ k, /** @type {number} */ factor) =>
    X[k].forEach((value, column) => (X[i][column] -= factor * value));
  for (let i = 0; i < A.length; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = A[i][j];
      for (let k = 0; k < j; k++) rest -= lower[i][k] * lower[j][k];
      lower[i][j] = i === j ? Math.sqrt(rest) : rest / lower[j][j];
    }
  }
  for (let i = 0; i < A.length; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, lower[i][k]);
    X[i] = X[i].map((value) => value / lower[i][i]);
  }
  for (let i = A.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < A.length; k++) subtract(i, k, lower[k][i]);
    X[i] = X[i].map((value) => value / lower[i][i]);
  }
  return X;
}

/**
 * Kernel ridge regression of what the scores of the lessons lack: a form takes of it as much as it
 * looks like each. The detectors themselves stay as they are, so that nothing is forgotten.
 */
export class Teaching {
  #looks;
  #shares;

  /** @param {Lesson[]} lessons */
  constructor(lessons) {
    this.#looks = lessons.map(({ image }) => lookOf(image));
    const likenesses = this.#looks.map((look, i) =>
      this.#looks.map((other, j) => likeness(look, other) + (i === j ? RIDGE : 0)),
    );
    this.#shares = solved(likenesses, lessons.map(missing));
  }

  /**
   * @param {number[][]} image
   * @param {number[]} scores of the detectors as they came
   * @returns {number[]} scores of detectors that have been taught
   */
  corrected(image, scores) {
    const look = lookOf(image);
    const alike = this.#looks.map((other) => likeness(look, other));
    return scores.map((score, digit) =>
      alike.reduce((sum, weight, k) => sum + weight * this.#shares[k][digit], score),
    );
  }
}
