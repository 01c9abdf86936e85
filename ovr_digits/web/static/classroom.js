/** In front of a class: big type, hidden answers, and the address of the page as a QR code. */

import * as client from "./client.js";

/**
 * @param {HTMLElement} panel
 * @param {import("./curtain.js").Curtain} curtain
 * @returns {import("./trials.js").Trial} whose switches keep their places when it ends
 */
export function connectClass(panel, curtain) {
  const [big, first] = /** @type {NodeListOf<HTMLInputElement>} */ (panel.querySelectorAll("input"));
  big.addEventListener("change", () => document.documentElement.classList.toggle("projector", big.checked));
  first.addEventListener("change", () => curtain.want("class", first.checked));
  const place = /** @type {HTMLElement} */ (panel.querySelector("#address"));
  return {
    begin: () => void showAddress(place),
    end() {},
    tell() {},
  };
}

/** @param {HTMLElement} place */
async function showAddress(place) {
  if (!client.SERVES) return;
  const { url, qr } = await client.address().catch(() => ({ url: null, qr: null }));
  const canvas = /** @type {HTMLCanvasElement} */ (place.querySelector("canvas"));
  const words = /** @type {HTMLElement} */ (place.querySelector("p"));
  place.hidden = false;
  canvas.hidden = !qr;
  words.textContent = url ?? "Only this machine finds this page; for a class: ovr-digits serve --host 0.0.0.0";
  if (!qr) return;
  canvas.ariaLabel = `QR code of ${url}`;
  canvas.width = canvas.height = qr.length;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, qr.length, qr.length);
  context.fillStyle = "#000";
  qr.forEach((row, y) => [...row].forEach((dark, x) => dark === "1" && context.fillRect(x, y, 1, 1)));
}
