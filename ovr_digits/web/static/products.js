/** Products of matrices, as fast as plain JavaScript computes them. */

/** Rows of the second matrix that are read at a time. */
const ABREAST = 4;
/** These, place by place, in the double precision that JavaScript computes in: converted once. */
let block = new Float64Array(0);

/**
 * Inner products of rows of one matrix with all rows of another.
 *
 * @param {Float64Array} rows one after the other
 * @param {number} nRows
 * @param {Float32Array} others one after the other
 * @param {number} size of a row, and of one of the others
 * @param {Float64Array} products what is found, (rows, others)
 */
export function multiply(rows, nRows, others, size, products) {
  // A whole number, and known as such: a place that may have a fraction is slow to find.
  const nOthers = (others.length / size) | 0;
  if (block.length < ABREAST * size) block = new Float64Array(ABREAST * size);
  const four = block;
  for (let a = 0; a < nOthers; a += ABREAST) {
    // Where fewer are left, the last is taken again.
    const b = Math.min(a + 1, nOthers - 1);
    const c = Math.min(a + 2, nOthers - 1);
    const d = Math.min(a + 3, nOthers - 1);
    for (let k = 0, at = 0; k < size; k++, at += ABREAST) {
      four[at] = others[a * size + k];
      four[at + 1] = others[b * size + k];
      four[at + 2] = others[c * size + k];
      four[at + 3] = others[d * size + k];
    }
    // Two rows at a time, so that each number is fetched for several products.
    for (let i = 0; i < nRows; i += 2) {
      const j = Math.min(i + 1, nRows - 1);
      const rowI = i * size;
      const rowJ = j * size;
      let ia = 0;
      let ib = 0;
      let ic = 0;
      let id = 0;
      let ja = 0;
      let jb = 0;
      let jc = 0;
      let jd = 0;
      for (let k = 0, at = 0; k < size; k++, at += ABREAST) {
        const atI = rows[rowI + k];
        const atJ = rows[rowJ + k];
        const atA = four[at];
        const atB = four[at + 1];
        const atC = four[at + 2];
        const atD = four[at + 3];
        ia += atI * atA;
        ib += atI * atB;
        ic += atI * atC;
        id += atI * atD;
        ja += atJ * atA;
        jb += atJ * atB;
        jc += atJ * atC;
        jd += atJ * atD;
      }
      const toI = i * nOthers;
      const toJ = j * nOthers;
      products[toI + a] = ia;
      products[toI + b] = ib;
      products[toI + c] = ic;
      products[toI + d] = id;
      products[toJ + a] = ja;
      products[toJ + b] = jb;
      products[toJ + c] = jc;
      products[toJ + d] = jd;
    }
  }
}

/**
 * Inner products of one vector with all rows of a matrix.
 *
 * @param {Float64Array} vector
 * @param {Float32Array} rows
 * @returns {Float64Array}
 */
export function project(vector, rows) {
  const size = vector.length;
  const nRows = (rows.length / size) | 0;
  const products = new Float64Array(nRows);
  for (let a = 0; a < nRows; a += ABREAST) {
    const b = Math.min(a + 1, nRows - 1);
    const c = Math.min(a + 2, nRows - 1);
    const d = Math.min(a + 3, nRows - 1);
    const rowA = a * size;
    const rowB = b * size;
    const rowC = c * size;
    const rowD = d * size;
    let sumA = 0;
    let sumB = 0;
    let sumC = 0;
    let sumD = 0;
    for (let k = 0; k < size; k++) {
      const value = vector[k];
      sumA += value * rows[rowA + k];
      sumB += value * rows[rowB + k];
      sumC += value * rows[rowC + k];
      sumD += value * rows[rowD + k];
    }
    products[a] = sumA;
    products[b] = sumB;
    products[c] = sumC;
    products[d] = sumD;
  }
  return products;
}
