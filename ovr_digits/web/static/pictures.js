/** Pictures from elsewhere: chosen, photographed, pasted or dropped. */

/** More pixels than this on the longest side are not kept. */
const LONGEST = 1600;
/** What browsers show by themselves; other pictures the service may still be able to read. */
const KNOWN = /^image\/(png|jpeg|gif|webp|bmp|avif|svg\+xml)$/;
const OTHER = /\.(pdf|hei[cf]|tiff?|jp2|jpx|ppm|pgm|pbm|tga|ico|psd)$/i;

/** A file that the browser cannot show, but the service may. */
export class UnknownPicture extends Error {
  /** @param {File} file */
  constructor(file) {
    super(`${file.name} cannot be shown here.`);
    this.file = file;
  }
}

/**
 * @param {File} file
 * @returns {Promise<HTMLCanvasElement>} upright, at most 1600 pixels
 */
export async function loadPicture(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    const readable = file.type.startsWith("image/") ? !KNOWN.test(file.type) : OTHER.test(file.name);
    if (readable) throw new UnknownPicture(file);
    throw new Error(`${file.name} is not a picture that can be read; choose a PNG or JPEG file.`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * The usual colour of a picture's border.
 *
 * @param {HTMLCanvasElement} picture
 * @returns {{ground: string, dark: boolean}}
 */
export function groundOf(picture) {
  const side = 32;
  const small = document.createElement("canvas");
  small.width = small.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d"));
  context.drawImage(picture, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  /** @type {number[][]} */
  const channels = [[], [], []];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = x > 0 && x < side - 1 && y > 0 && y < side - 1;
      if (!inside) channels.forEach((values, i) => values.push(data[4 * (y * side + x) + i]));
    }
  }
  const usual = channels.map((values) => values.sort((a, b) => a - b)[values.length >> 1]);
  return { ground: `rgb(${usual.join(" ")})`, dark: usual.reduce((a, b) => a + b) < 3 * 110 };
}

/**
 * Take pictures from the two inputs, the clipboard and what is dropped on the page.
 *
 * @param {HTMLInputElement[]} inputs
 * @param {HTMLElement} dropSign shown while a picture is held over the page
 * @param {(file: File) => void} take
 */
export function takePictures(inputs, dropSign, take) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) take(file);
      input.value = "";
    });
  }
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  const holdsFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    dropSign.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) dropSign.hidden = true;
  });
  addEventListener("drop", (event) => {
    dropSign.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
