/** The ink on a clean picture: a drawing, a screenshot, a scan on even paper. */

/**
 * @typedef {import("./form.js").Ink} Ink
 * @typedef {{width: number, height: number, data: ArrayLike<number>}} Pixels red, green, blue, alpha
 */

/** The least contrast between ink and paper, of 255. */
const MIN_CONTRAST = 10;
/** Share of full ink below which a pixel is paper. */
const LEAST_INK = 0.2;
/** Share of full ink that even paper may differ from its usual colour, */
const EVEN = 0.1;
/** with as many exceptions as that: a share of the border, where ink may end, */
const BORDER_EXCEPTIONS = 0.2;
/** and for each pixel of ink, since strokes have soft edges. */
const EXCEPTIONS = 3;
/** The most regions that are told apart. */
const MOST_REGIONS = 100;

/** @type {(pixels: Pixels) => number[]} the pixels along the sides */
function borderOf({ width, height }) {
  const border = [];
  for (let x = 0; x < width; x++) border.push(x, (height - 1) * width + x);
  for (let y = 1; y < height - 1; y++) border.push(y * width, (y + 1) * width - 1);
  return border;
}

/**
 * The middle one of many levels 0 to 255.
 *
 * @param {Uint32Array} counts how many there are of each
 * @param {number} total
 */
function median(counts, total) {
  const half = total >> 1;
  let level = 0;
  for (let below = counts[0]; below <= half; below += counts[level]) level += 1;
  return level;
}

/**
 * How much each pixel differs from the usual colour of the border, 0 to 255.
 *
 * @param {Pixels} pixels
 * @param {number[]} border
 */
function contrasts({ width, height, data }, border) {
  const [red, green, blue] = [0, 1, 2].map((channel) => {
    const counts = new Uint32Array(256);
    for (const k of border) counts[data[4 * k + channel]] += 1;
    return median(counts, border.length);
  });
  const result = new Uint8Array(width * height);
  for (let k = 0, at = 0; k < result.length; k++, at += 4) {
    const most = Math.max(Math.abs(data[at] - red), Math.abs(data[at + 1] - green));
    result[k] = Math.max(most, Math.abs(data[at + 2] - blue));
  }
  return result;
}

/**
 * The contrast of full ink: the middle of the pixels that stand out.
 *
 * @param {Uint32Array} counts how many pixels have each contrast
 * @param {number} nPixels
 */
function fullContrast(counts, nPixels) {
  const exceptions = Math.min(0.01 * nPixels, 12);
  let most = 255;
  for (let above = counts[most]; above <= exceptions && most > 0; above += counts[most]) most -= 1;
  const out = counts.map((count, contrast) => (contrast > 0.5 * most ? count : 0));
  let half = out.reduce((a, b) => a + b, 0) / 2;
  return out.findIndex((count) => (half -= count) <= 0);
}

/**
 * @param {Pixels} pixels
 * @returns {Ink | null} null where the picture is blank
 * @throws {Error} where it is no clean picture
 */
export function inkOf(pixels) {
  const border = borderOf(pixels);
  const found = contrasts(pixels, border);
  const counts = new Uint32Array(256);
  for (let k = 0; k < found.length; k++) counts[found[k]] += 1;
  const full = fullContrast(counts, found.length);
  if (full < MIN_CONTRAST) return null;
  const count = (/** @type {number} */ from, /** @type {number} */ to) =>
    counts.reduce((sum, n, contrast) => sum + (contrast >= from && contrast < to ? n : 0), 0);
  const uneven = border.filter((k) => found[k] >= EVEN * full).length;
  const soft = count(EVEN * full, 2 * LEAST_INK * full);
  const inked = count(2 * LEAST_INK * full, 256);
  if (uneven > BORDER_EXCEPTIONS * border.length || soft > EXCEPTIONS * inked) {
    throw new Error("This is no clean picture; ovr-digits draw reads photographs, too.");
  }
  // Few contrasts, and many pixels.
  const inks = Float32Array.from(counts, (_, contrast) => {
    const level = Math.min(contrast / full, 1);
    return level < LEAST_INK ? 0 : level;
  });
  const levels = new Float32Array(found.length);
  for (let k = 0; k < found.length; k++) levels[k] = inks[found[k]];
  return { width: pixels.width, height: pixels.height, levels };
}

/**
 * What hangs together, also over corners: the largest regions of the ink.
 *
 * @param {Ink} ink
 * @returns {{bounds: import("./ink.js").Rect, places: number[]}[]}
 */
export function regionsOf({ width, height, levels }) {
  const isSeen = new Uint8Array(levels.length);
  const regions = [];
  for (let start = 0; start < levels.length; start++) {
    if (isSeen[start] || levels[start] === 0) continue;
    const places = [start];
    isSeen[start] = 1;
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let k = 0; k < places.length; k++) {
      const x = places[k] % width;
      const y = (places[k] - x) / width;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column;
          if (isSeen[next] || levels[next] === 0) continue;
          isSeen[next] = 1;
          places.push(next);
        }
      }
    }
    regions.push({ bounds: { x: left, y: top, w: right - left, h: bottom - top }, places });
  }
  return regions.sort((a, b) => b.places.length - a.places.length).slice(0, MOST_REGIONS);
}

/**
 * @param {Ink} ink
 * @param {number[]} places that are kept
 * @returns {Ink}
 */
export function only({ width, height, levels }, places) {
  const kept = new Float32Array(levels.length);
  for (const place of places) kept[place] = levels[place];
  return { width, height, levels: kept };
}
