/** The buttons, the pen's width, and the keys that stand for them. */

/**
 * @param {string} name
 * @returns {any}
 */
const byId = (name) => document.getElementById(name);

/**
 * @param {import("./paper.js").Paper} paper
 */
export function connectTools(paper) {
  const [pen, eraser, undo, redo, width] = ["pen", "eraser", "undo", "redo", "width"].map(byId);
  const choose = (/** @type {"pen" | "eraser"} */ tool) => {
    paper.tool = tool;
    pen.ariaPressed = `${tool === "pen"}`;
    eraser.ariaPressed = `${tool === "eraser"}`;
  };
  const setWidth = (/** @type {number} */ value) => {
    width.value = `${value}`;
    paper.penWidth = Number(width.value);
  };
  /** @type {Record<string, () => void>} */
  const actions = {
    pen: () => choose("pen"),
    eraser: () => choose("eraser"),
    undo: () => paper.undo(),
    redo: () => paper.redo(),
    clear: () => paper.clear(),
    open: () => byId("file").click(),
    photo: () => byId("camera").click(),
    save: () => save(paper),
  };
  for (const [name, act] of Object.entries(actions)) byId(name).addEventListener("click", act);
  width.addEventListener("input", () => setWidth(Number(width.value)));
  setWidth(Number(width.value));

  /** @type {Record<string, () => void>} */
  const keys = {
    p: actions.pen,
    e: actions.eraser,
    "[": () => setWidth(paper.penWidth - 5),
    "]": () => setWidth(paper.penWidth + 5),
    Delete: actions.clear,
    "ctrl+z": actions.undo,
    "ctrl+shift+z": actions.redo,
    "ctrl+y": actions.redo,
  };
  addEventListener("keydown", (event) => {
    if (event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const held = event.ctrlKey || event.metaKey ? (event.shiftKey ? "ctrl+shift+" : "ctrl+") : "";
    const act = keys[held + key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const update = () => {
    // Not the attribute disabled: a button that has the focus would lose it.
    undo.ariaDisabled = `${!paper.canUndo}`;
    redo.ariaDisabled = `${!paper.canRedo}`;
  };
  paper.addEventListener("change", update);
  update();
}

/** @param {import("./paper.js").Paper} paper */
async function save(paper) {
  download(await paper.save(), "drawing.png");
}

/**
 * @param {Blob} file
 * @param {string} name
 */
export function download(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
