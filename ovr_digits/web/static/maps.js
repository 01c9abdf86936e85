/** Small pictures: what detectors see and look for, and what spoke for and against a digit. */

const SIDE = 28;
/** Okabe-Ito blue and vermilion, and the grey of ink that spoke neither way. */
const FOR = [0, 114, 178];
const AGAINST = [213, 94, 0];
const NEITHER = [214, 214, 214];
/** Share of the ink that has its full colour: beside one strong spot all else would be pale. */
const FULL = 0.2;
/** Pixels along the edges of an image that hold next to no ink. */
const MARGIN = 3;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(row: number, column: number) => number[]} colour
 */
function paint(canvas, colour) {
  canvas.width = canvas.height = SIDE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(SIDE, SIDE);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const at = 4 * (row * SIDE + column);
      pixels.data.set(colour(row, column), at);
      pixels.data[at + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[][] | null} image ink is 255
 */
export function showSeen(canvas, image) {
  paint(canvas, (row, column) => Array(3).fill(image?.[row][column] ?? 0));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[][] | null} image
 * @param {number[][]} [contributions] log-odds, positive for the digit
 */
export function showMap(canvas, image, contributions) {
  const spoke = (contributions ?? []).flat().map(Math.abs).filter((value) => value > 0);
  spoke.sort((a, b) => b - a);
  const most = spoke[Math.floor(FULL * spoke.length)] ?? 1;
  paint(canvas, (row, column) => {
    const grey = NEITHER.map((c) => 255 - ((255 - c) * (image?.[row][column] ?? 0)) / 255);
    const share = (contributions?.[row][column] ?? 0) / most;
    const strength = Math.sqrt(Math.min(1, Math.abs(share)));
    const to = share > 0 ? FOR : AGAINST;
    return grey.map((c, i) => c + (to[i] - c) * strength);
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} effects of ink there, positive where a detector looks for it
 */
export function showPortrait(canvas, effects) {
  const middle = effects.slice(MARGIN, -MARGIN).flatMap((row) => row.slice(MARGIN, -MARGIN));
  const most = Math.max(1e-9, ...middle.map(Math.abs));
  paint(canvas, (row, column) => {
    const share = effects[row][column] / most;
    const to = share > 0 ? FOR : AGAINST;
    return to.map((c) => 255 + (c - 255) * Math.min(1, Math.abs(share)));
  });
}
