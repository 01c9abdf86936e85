/** The paper: takes pen, finger, mouse and keys, keeps what was done, and shows it. */

import * as ink from "./ink.js";
import { around, Sheet } from "./sheet.js";

/** @typedef {import("./ink.js").Rect} Rect */

/** How much wider than the pen the eraser is. */
const ERASER = 2.5;
/** How far an arrow key moves the cursor, in paper units; with Shift. */
const STEP = 25;
const FINE_STEP = 5;
/** How far a pointer may move on a box, in CSS pixels, and still choose it rather than draw. */
const TAP = 6;

/**
 * @param {import("./ink.js").Stroke | import("./ink.js").Picture} item
 * @returns {boolean} whether there may be a digit on it
 */
const inks = (item) => item.kind === "picture" || !item.erases;

/**
 * Events: "change" (detail: whether the pen is still down) after each change of what is to be
 * seen, "resize" when only its place on the screen changed, "pen" when a key put the pen down or up.
 */
export class Paper extends EventTarget {
  /** Goes up with each change. */
  version = 0;
  /** @type {"pen" | "eraser"} */
  tool = "pen";
  /** Of the pen, in paper units. */
  penWidth = 30;

  /** @type {import("./ink.js").Item[]} */
  #items = [];
  /** How many of the items are done; the rest was undone. */
  #done = 0;
  /** @type {import("./ink.js").Stroke | null} */
  #stroke = null;
  /** @type {number | "keys" | null} what the stroke is drawn with */
  #pointer = null;
  #pointerType = "";
  /** When the pointer was where it was last followed to, and whether that was before its frame. */
  #followed = { time: 0, early: false };
  /** @type {{x: number, y: number} | null} where a pointer went down on a box */
  #pressed = null;
  #place = { x: 0, y: 0 };
  /** CSS pixels to a paper unit. */
  #scale = 1;
  #canvas;
  #cursor;
  #context;

  /**
   * @param {HTMLElement} sheet holds the canvas and what lies over it
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} cursor shows where the pen is, and how wide
   */
  constructor(sheet, canvas, cursor) {
    super();
    this.#canvas = canvas;
    this.#cursor = cursor;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    sheet.addEventListener("pointerdown", (event) => this.#down(event));
    sheet.addEventListener("pointermove", (event) => this.#move(event));
    // Comes at once, where browsers have it: "pointermove" waits for the next frame.
    sheet.addEventListener("pointerrawupdate", (event) => {
      if (!this.#followed.early) this.#follow(/** @type {PointerEvent} */ (event), true);
    });
    sheet.addEventListener("pointerup", (event) => this.#up(event));
    sheet.addEventListener("pointercancel", (event) => this.#cancel(event));
    sheet.addEventListener("pointerleave", () => this.#hideCursor());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => {
      if (this.#pointer === "keys") this.#finish();
      this.#hideCursor();
    });
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  /** Whether a stroke is being drawn. */
  get drawing() {
    return this.#stroke !== null;
  }

  get canUndo() {
    return this.#done > 0;
  }

  get canRedo() {
    return this.#done < this.#items.length;
  }

  /** Whether nothing is on it that could be a digit. */
  get empty() {
    return !this.#visible().some(inks);
  }

  /** Where what was drawn last is. */
  get lastBounds() {
    return this.#visible().at(-1)?.bounds ?? this.#part();
  }

  /** The picture that lies on it. */
  get picture() {
    return ink.pictureOf(this.#visible())?.image ?? null;
  }

  /** Whether the ink is known to be dark. */
  get plain() {
    return !this.picture;
  }

  undo() {
    if (this.#stroke || !this.canUndo) return;
    this.#done -= 1;
    this.#changed();
  }

  redo() {
    if (this.#stroke || !this.canRedo) return;
    this.#done += 1;
    this.#changed();
  }

  clear() {
    if (this.#stroke) this.#finish();
    if (this.#visible().length) this.#add({ kind: "clear" });
  }

  /**
   * Put a picture on the paper, as large as it fits, in place of what is there.
   *
   * @param {HTMLCanvasElement} image
   * @param {string} ground the colour of its border
   * @param {boolean} dark whether that is dark
   * @param {HTMLCanvasElement} [old] a picture to be forgotten for it if it was put here last
   */
  putPicture(image, ground, dark, old) {
    if (this.#stroke) this.#finish();
    const last = this.#items[this.#done - 1];
    if (old && last?.kind === "picture" && last.image === old) this.#done -= 1;
    const { w, h } = this.#part();
    const fit = Math.min(w / image.width, h / image.height);
    const size = { w: image.width * fit, h: image.height * fit };
    const bounds = { x: -size.w / 2, y: -size.h / 2, ...size };
    this.#add({ kind: "picture", image, ground, dark, bounds });
  }

  /** What is to be looked at: the ink, or the picture and what is drawn on it. */
  get subject() {
    const visible = this.#visible();
    const bounds = visible.flatMap((item) => (inks(item) ? [item.bounds] : [])).reduce(ink.union);
    return ink.pictureOf(visible) ? bounds : around(bounds);
  }

  /**
   * @param {Rect} part
   * @param {number} longest side in pixels
   * @param {Rect} only outside of this the paper is shown empty
   */
  sheet(part, longest, only = part) {
    return new Sheet(this.#visible(), part, longest, only);
  }

  /** All that is visible, as a PNG to save. */
  save() {
    return new Promise((done) => this.#canvas.toBlob(done, "image/png"));
  }

  /**
   * @param {Rect} part in paper units
   * @returns {Rect} in CSS pixels from the paper's corner
   */
  toScreen(part) {
    const origin = this.#part();
    return {
      x: (part.x - origin.x) * this.#scale,
      y: (part.y - origin.y) * this.#scale,
      w: part.w * this.#scale,
      h: part.h * this.#scale,
    };
  }

  #visible() {
    const items = this.#items.slice(0, this.#done);
    return ink.visibleItems(this.#stroke ? [...items, this.#stroke] : items);
  }

  /** The part of the paper that is on the screen. */
  #part() {
    const w = this.#canvas.clientWidth / this.#scale;
    const h = this.#canvas.clientHeight / this.#scale;
    return { x: -w / 2, y: -h / 2, w, h };
  }

  /** @param {import("./ink.js").Item} item */
  #add(item) {
    this.#items.splice(this.#done, Infinity, item);
    this.#done += 1;
    this.#changed();
  }

  #changed() {
    this.version += 1;
    this.#tell();
    this.#draw();
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("change", { detail: this.drawing }));
  }

  #draw() {
    ink.drawItems(this.#context, this.#visible(), this.#part());
  }

  /** Fit the canvas to its place and its pixels, and all that was ever drawn to the canvas. */
  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    this.#scale = Math.min(width, height) / 1000;
    for (const item of this.#items) {
      if (item.kind === "clear") continue;
      const { x, y, w, h } = item.bounds;
      const reach = { x: 2 * Math.max(-x, x + w), y: 2 * Math.max(-y, y + h) };
      this.#scale = Math.min(this.#scale, width / reach.x, height / reach.y);
    }
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    this.#draw();
    this.dispatchEvent(new Event("resize"));
  }

  /**
   * @param {{clientX: number, clientY: number}} event
   * @returns {{x: number, y: number}} in paper units
   */
  #at({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    const { x, y } = this.#part();
    return { x: x + (clientX - left) / this.#scale, y: y + (clientY - top) / this.#scale };
  }

  /** @param {PointerEvent} event */
  #point(event) {
    // Mice report a constant 0.5, and fingers what their glass makes of them.
    const weight = event.pointerType === "pen" && event.pressure ? 0.4 + 1.2 * event.pressure : 1;
    return { ...this.#at(event), weight };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const palm = event.pointerType === "pen" && this.#pointerType === "touch";
    if (event.button !== 0 && event.button !== 5) return;
    if (this.#stroke && !palm) return;
    if (palm) this.#drop();
    if (event.target !== this.#canvas) {
      this.#pressed = { x: event.clientX, y: event.clientY };
      return;
    }
    this.#begin(event);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointerType = event.pointerType;
    // The other end of a pen erases.
    this.#start(event.pointerId, this.#point(event), (event.buttons & 32) !== 0);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const pens = this.#stroke && !this.#stroke.erases;
    if (event.pointerType === "touch" || pens) this.#hideCursor();
    else this.#showCursor(this.#at(event));
    const pressed = this.#pressed;
    if (pressed && !this.#stroke) {
      const far = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
      if (!event.buttons) this.#pressed = null;
      else if (far > TAP) this.#begin(event);
      return;
    }
    this.#follow(event, false);
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} early whether its frame is still to come; once for each is enough
   */
  #follow(event, early) {
    if (event.pointerId !== this.#pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    const fresh = (all.length ? all : [event]).filter(({ timeStamp }) => timeStamp > this.#followed.time);
    this.#followed = { time: event.timeStamp, early };
    this.#extend(fresh.map((each) => this.#point(each)));
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#pressed = null;
    if (event.pointerId !== this.#pointer) return;
    // Pressure is 0 by now: the last point keeps the weight of the one before.
    const weight = this.#stroke?.points.at(-1)?.weight ?? 1;
    this.#extend([{ ...this.#at(event), weight }]);
    this.#finish();
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.#pressed = null;
    if (event.pointerId === this.#pointer) this.#drop();
  }

  /**
   * @param {number | "keys"} pointer
   * @param {import("./ink.js").Point} point
   * @param {boolean} turned whether the pen is turned to its rubber
   */
  #start(pointer, point, turned = false) {
    const erases = turned || this.tool === "eraser";
    const width = this.penWidth * (erases ? ERASER : 1);
    this.#pointer = pointer;
    this.#stroke = { kind: "stroke", erases, width, points: [], bounds: { x: 0, y: 0, w: 0, h: 0 } };
    this.#extend([point]);
  }

  /** @param {import("./ink.js").Point[]} points */
  #extend(points) {
    const stroke = /** @type {import("./ink.js").Stroke} */ (this.#stroke);
    const before = stroke.points.length;
    for (const point of points) {
      const last = stroke.points.at(-1);
      if (last?.x === point.x && last.y === point.y) continue;
      // Halfway to the new weight only, so that pressure makes no steps.
      const weight = last ? (last.weight + point.weight) / 2 : point.weight;
      stroke.points.push({ ...point, weight });
    }
    if (stroke.points.length === before) return;
    stroke.bounds = ink.intersection(ink.strokeBounds(stroke), this.#part());
    ink.showPart(this.#context, this.#part());
    ink.drawStroke(this.#context, stroke, ink.pictureOf(this.#visible()), before);
    this.version += 1;
    this.#tell();
  }

  /** The stroke is done. */
  #finish() {
    const stroke = /** @type {import("./ink.js").Stroke} */ (this.#stroke);
    this.#stroke = this.#pointer = null;
    this.#items.splice(this.#done, Infinity, stroke);
    this.#done += 1;
    this.#tell();
    // Once more in one piece, which is smoother than the pieces that it grew from.
    this.#draw();
  }

  /** The stroke was none. */
  #drop() {
    this.#stroke = this.#pointer = null;
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FINE_STEP : STEP;
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (way) {
      const { w, h } = this.#part();
      const within = (/** @type {number} */ at, /** @type {number} */ size) =>
        Math.max(-size / 2, Math.min(size / 2, at));
      this.#place.x = within(this.#place.x + way[0] * step, w);
      this.#place.y = within(this.#place.y + way[1] * step, h);
      if (this.#pointer === "keys") this.#extend([{ ...this.#place, weight: 1 }]);
    } else if (event.key === " " && (!this.#stroke || this.#pointer === "keys")) {
      if (this.#stroke) this.#finish();
      else this.#start("keys", { ...this.#place, weight: 1 });
      this.dispatchEvent(new CustomEvent("pen", { detail: this.drawing }));
    } else return;
    event.preventDefault();
    this.#showCursor(this.#place);
  }

  /** @param {{x: number, y: number}} at in paper units */
  #showCursor(at) {
    const width = this.penWidth * (this.tool === "eraser" ? ERASER : 1);
    const { x, y, w } = this.toScreen({ ...at, w: width, h: width });
    this.#cursor.style.width = this.#cursor.style.height = `${w}px`;
    this.#cursor.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    this.#cursor.hidden = false;
  }

  #hideCursor() {
    this.#cursor.hidden = true;
  }
}
