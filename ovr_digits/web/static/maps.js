/** Two small pictures: what the detectors see, and what of it spoke for and against the answer. */

const SIDE = 28;
/** Okabe-Ito blue and vermilion, and the grey of ink that spoke neither way. */
const FOR = [0, 114, 178];
const AGAINST = [213, 94, 0];
const NEITHER = [214, 214, 214];

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
      pixels.data.set([...colour(row, column), 255], 4 * (row * SIDE + column));
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
 * @param {number[][]} [contributions] log-odds, positive for the answer
 */
export function showMap(canvas, image, contributions) {
  const most = Math.max(1e-9, ...(contributions ?? []).flat().map(Math.abs));
  paint(canvas, (row, column) => {
    const grey = NEITHER.map((c) => 255 - ((255 - c) * (image?.[row][column] ?? 0)) / 255);
    const share = (contributions?.[row][column] ?? 0) / most;
    const strength = Math.sqrt(Math.abs(share));
    const to = share > 0 ? FOR : AGAINST;
    return grey.map((c, i) => c + (to[i] - c) * strength);
  });
}
