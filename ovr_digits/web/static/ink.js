/** What lies on the paper, and how it is drawn on any canvas at any scale. */

/**
 * Lengths are in paper units: the origin is the middle of the paper, and 1000 units are its short
 * side when it was empty.
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Rect
 * @typedef {{x: number, y: number, weight: number}} Point weight multiplies the pen's width
 *
 * @typedef {object} Stroke
 * @property {"stroke"} kind
 * @property {boolean} erases
 * @property {number} width
 * @property {Point[]} points
 * @property {Rect} bounds of what is visible of it
 *
 * @typedef {object} Picture
 * @property {"picture"} kind
 * @property {HTMLCanvasElement} image
 * @property {string} ground the colour of its border
 * @property {boolean} dark whether that is dark, so that ink on it must be light
 * @property {Rect} bounds
 *
 * @typedef {{kind: "clear"}} Clear
 * @typedef {Stroke | Picture | Clear} Item
 */

const PAPER = "#fff";
const INK = "#111";

/**
 * @param {Rect} a
 * @param {Rect} b
 * @returns {Rect} the smallest that holds both
 */
export function union(a, b) {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y };
}

/**
 * @param {Rect} a
 * @param {Rect} b
 * @returns {Rect} what is in both; without area where nothing is
 */
export function intersection(a, b) {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  return {
    x,
    y,
    w: Math.max(0, Math.min(a.x + a.w, b.x + b.w) - x),
    h: Math.max(0, Math.min(a.y + a.h, b.y + b.h) - y),
  };
}

/** @type {(whole: Rect, part: Rect) => boolean} whether the middle of a part is in the whole */
export function holds({ x, y, w, h }, part) {
  const [right, down] = [part.x + part.w / 2 - x, part.y + part.h / 2 - y];
  return right >= 0 && right <= w && down >= 0 && down <= h;
}

/**
 * @param {Rect} part
 * @param {number} share of its longer side
 * @returns {Rect} with so much more on each side
 */
export function padded({ x, y, w, h }, share) {
  const more = share * Math.max(w, h);
  return { x: x - more, y: y - more, w: w + 2 * more, h: h + 2 * more };
}

/**
 * @param {Stroke} stroke
 * @returns {Rect}
 */
export function strokeBounds(stroke) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, weight } of stroke.points) {
    const half = (stroke.width * weight) / 2;
    left = Math.min(left, x - half);
    right = Math.max(right, x + half);
    top = Math.min(top, y - half);
    bottom = Math.max(bottom, y + half);
  }
  return { x: left, y: top, w: right - left, h: bottom - top };
}

/**
 * Whether a stroke turns so sharply that it must not be rounded: a quick 7 would become a 1.
 *
 * @param {Point} a
 * @param {Point} b
 * @param {Point} c
 */
function isCorner(a, b, c) {
  const [inX, inY, outX, outY] = [b.x - a.x, b.y - a.y, c.x - b.x, c.y - b.y];
  const cosine = (inX * outX + inY * outY) / (Math.hypot(inX, inY) * Math.hypot(outX, outY));
  return cosine < 0.4;
}

/**
 * Draw the part of a stroke from a point on: curves between the middles of its points.
 *
 * @param {CanvasRenderingContext2D} context in paper units
 * @param {Stroke} stroke
 * @param {Picture | undefined} under the picture that it is drawn on
 * @param {number} from index of the first point that is new
 */
export function drawStroke(context, stroke, under, from = 0) {
  const { points, width } = stroke;
  context.strokeStyle = stroke.erases ? (under?.ground ?? PAPER) : under?.dark ? PAPER : INK;
  context.lineCap = context.lineJoin = "round";
  if (points.length === 1) {
    const [{ x, y, weight }] = points;
    line(context, width * weight, () => context.lineTo(x, y), x, y);
    return;
  }
  const even = points.every(({ weight }) => weight === points[0].weight);
  const middle = (/** @type {number} */ i) => ({
    x: (points[i - 1].x + points[i].x) / 2,
    y: (points[i - 1].y + points[i].y) / 2,
  });
  const first = Math.max(1, from - 1);
  const last = points.length - 1;
  const start = first === 1 ? points[0] : middle(first - 1);
  const through = (/** @type {number} */ i) => {
    const { x, y } = middle(i);
    const { x: bendX, y: bendY } = points[i - 1];
    if (i > 1 && isCorner(points[i - 2], points[i - 1], points[i])) context.lineTo(bendX, bendY);
    context.quadraticCurveTo(bendX, bendY, x, y);
  };
  const finish = () => context.lineTo(points[last].x, points[last].y);
  if (even) {
    const whole = () => {
      for (let i = first; i <= last; i++) through(i);
      finish();
    };
    line(context, width * points[0].weight, whole, start.x, start.y);
    return;
  }
  let { x, y } = start;
  for (let i = first; i <= last; i++) {
    line(context, width * points[i].weight, () => through(i), x, y);
    ({ x, y } = middle(i));
  }
  line(context, width * points[last].weight, finish, x, y);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {() => void} path
 * @param {number} x
 * @param {number} y
 */
function line(context, width, path, x, y) {
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x, y);
  path();
  context.stroke();
}

/**
 * The items that are to be seen: all since the paper was last cleared or covered by a picture.
 *
 * @param {Item[]} items
 * @returns {(Stroke | Picture)[]}
 */
export function visibleItems(items) {
  const last = items.findLastIndex((item) => item.kind !== "stroke");
  const from = items[last]?.kind === "clear" ? last + 1 : Math.max(0, last);
  return /** @type {(Stroke | Picture)[]} */ (items.slice(from));
}

/**
 * @param {(Stroke | Picture)[]} visible
 * @returns {Picture | undefined}
 */
export function pictureOf(visible) {
  return visible[0]?.kind === "picture" ? visible[0] : undefined;
}

/**
 * Cover a canvas with a part of the paper.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {(Stroke | Picture)[]} visible
 * @param {Rect} part of the paper that fills the canvas
 * @param {Rect} only outside of this the paper is left empty
 */
export function drawItems(context, visible, part, only = part) {
  const { width, height } = context.canvas;
  const under = pictureOf(visible);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = under?.ground ?? PAPER;
  context.fillRect(0, 0, width, height);
  showPart(context, part);
  context.save();
  context.beginPath();
  context.rect(only.x, only.y, only.w, only.h);
  context.clip();
  for (const item of visible) {
    if (item.kind === "stroke") drawStroke(context, item, under);
    else context.drawImage(item.image, item.bounds.x, item.bounds.y, item.bounds.w, item.bounds.h);
  }
  context.restore();
}

/**
 * Let a context take paper units.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Rect} part of the paper that fills the canvas
 */
export function showPart(context, part) {
  const { width, height } = context.canvas;
  const [x, y] = [width / part.w, height / part.h];
  context.setTransform(x, 0, 0, y, -part.x * x, -part.y * y);
  context.imageSmoothingQuality = "high";
}
