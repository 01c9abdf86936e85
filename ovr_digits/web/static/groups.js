/** Which marks make up one digit, and in which order digits side by side are read. */

import { union } from "./ink.js";

/** @typedef {import("./ink.js").Rect} Rect */

/** Marks above one another are of one digit where they share that much of the narrower one's width, */
const SHARED = 0.4;
/** and lie no further apart than that, in heights of the higher one. */
const APART = 0.3;
/** Marks that are not so high and wide, in heights of the highest, are no digits. */
const SMALL = 0.3;

/** @type {(a: Rect, b: Rect) => boolean} */
function areOfOneDigit(a, b) {
  const shared = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const apart = Math.max(a.y, b.y) - Math.min(a.y + a.h, b.y + b.h);
  return shared > SHARED * Math.min(a.w, b.w) && apart < APART * Math.max(a.h, b.h);
}

/**
 * @template {{bounds: Rect}} Mark
 * @typedef {{bounds: Rect, marks: Mark[]}} Group
 */

/**
 * @template {{bounds: Rect}} Mark
 * @param {Mark[]} marks strokes, or what hangs together on a picture
 * @returns {{digits: Group<Mark>[], leftOut: Group<Mark>[]}} line by line, and what is too small
 */
export function digitsAmong(marks) {
  /** @type {Group<Mark>[]} */
  const groups = [];
  for (const mark of marks) {
    let { bounds } = mark;
    const own = [mark];
    // What a group has grown to may reach others.
    for (let near; (near = groups.findIndex((group) => areOfOneDigit(group.bounds, bounds))) >= 0; ) {
      const [group] = groups.splice(near, 1);
      bounds = union(bounds, group.bounds);
      own.push(...group.marks);
    }
    groups.push({ bounds, marks: own });
  }
  const least = SMALL * Math.max(...groups.map(({ bounds }) => bounds.h));
  const isDigit = (/** @type {Group<Mark>} */ { bounds }) => Math.max(bounds.w, bounds.h) > least;
  return {
    digits: inLines(groups.filter(isDigit)).flat(),
    leftOut: groups.filter((group) => !isDigit(group)),
  };
}

/**
 * @template {{bounds: Rect}} Item
 * @param {Item[]} items
 * @returns {Item[][]} lines from the top, each from the left
 */
export function inLines(items) {
  const middle = (/** @type {Item} */ { bounds }) => bounds.y + bounds.h / 2;
  /** @type {Item[][]} */
  const lines = [];
  for (const item of [...items].sort((a, b) => middle(a) - middle(b))) {
    const line = lines.at(-1);
    const { y = 0, h = 0 } = line?.[0].bounds ?? {};
    if (line && middle(item) < y + h) line.push(item);
    else lines.push([item]);
  }
  return lines.map((line) => line.sort((a, b) => a.bounds.x - b.bounds.x));
}
