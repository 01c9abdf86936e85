/** A drawing and its ten votes as one picture, to be saved. */

import { download } from "./tools.js";
import { SPAN, words } from "./votes.js";

/** Sizes in pixels: of the drawing, of the margin about all, of a row and its text. */
const SIDE = 480;
const MARGIN = 40;
const ROW = 40;
const TEXT = 22;
const COLOURS = { ground: "#fff", text: "#1c1f24", track: "#e6e3db", no: "#8b9098", yes: "#0072b2" };

/**
 * @param {import("./sheet.js").Sheet} sheet
 * @param {import("./votes.js").Vote} vote
 */
export async function saveWithVotes(sheet, vote) {
  const canvas = document.createElement("canvas");
  canvas.width = 2 * SIDE + 3 * MARGIN;
  canvas.height = SIDE + 2 * MARGIN;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = COLOURS.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  await drawSheet(context, sheet);
  context.translate(2 * MARGIN + SIDE, MARGIN);
  drawVotes(context, vote);
  canvas.toBlob((file) => file && download(file, "drawing-and-votes.png"), "image/png");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./sheet.js").Sheet} sheet
 */
async function drawSheet(context, sheet) {
  const drawing = await createImageBitmap(sheet.pixels());
  const scale = SIDE / Math.max(drawing.width, drawing.height);
  const [w, h] = [drawing.width * scale, drawing.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(drawing, MARGIN + (SIDE - w) / 2, MARGIN + (SIDE - h) / 2, w, h);
  context.strokeStyle = COLOURS.track;
  context.strokeRect(MARGIN, MARGIN, SIDE, SIDE);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./votes.js").Vote} vote
 */
function drawVotes(context, vote) {
  const [from, to] = [ROW, SIDE - 2 * ROW];
  const middle = (from + to) / 2;
  context.textBaseline = "middle";
  context.fillStyle = COLOURS.text;
  context.font = `600 ${TEXT}px system-ui, sans-serif`;
  context.fillText(words(vote), 0, ROW / 2, SIDE);
  vote.scores.forEach((score, digit) => {
    const top = ROW * (digit + 1.5);
    const length = (Math.max(-1, Math.min(1, score / SPAN)) * (to - from)) / 2;
    context.fillStyle = COLOURS.track;
    context.fillRect(from, top + 5, to - from, ROW - 10);
    context.fillStyle = score > 0 ? COLOURS.yes : COLOURS.no;
    context.fillRect(middle, top + 5, length, ROW - 10);
    context.fillStyle = COLOURS.text;
    context.fillRect(middle, top + 2, 1, ROW - 4);
    context.fillText(`${digit}`, 0, top + ROW / 2);
    context.fillText(`${Math.round(100 * vote.votes[digit])}\u00a0%`, to + 12, top + ROW / 2);
  });
}
