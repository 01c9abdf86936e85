"""The page in one file, and what its worker answers when it is asked by a program."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ovr_digits.web.page_file import bundled

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Lets the worker of the page score images as they are, too.
_SCORES = """
const answerQuestion = onmessage;
onmessage = (event) => {
  const { images } = event.data;
  if (!images) return answerQuestion(event);
  postMessage(Array.from({ length: images.length / 784 }, (_, k) =>
    scoresOf(images.subarray(784 * k, 784 * (k + 1)))));
};
"""
_START = """([script, weights, description]) => {
  const source = new Blob([script], { type: "text/javascript" });
  window.asked = new Worker(URL.createObjectURL(source));
  window.ask = (question) => new Promise((resolve, reject) => {
    asked.onmessage = ({ data }) => resolve(data);
    asked.onerror = ({ message }) => reject(new Error(message));
    asked.postMessage(question);
  });
  asked.postMessage({ weights, description });
}"""
_ASK_SCORES = """base64 => ask({
  images: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)),
})"""
#: Draws strokes as the page does: the file that a service would get, and what the worker sees.
_DRAW = """async (drawings) => {
  const found = [];
  for (const { width, strokes } of drawings) {
    const items = strokes.map((stroke) => {
      const points = stroke.map(([x, y]) => ({ x, y, weight: 1 }));
      const item = { kind: "stroke", erases: false, width, points };
      return { ...item, bounds: $ink.strokeBounds(item) };
    });
    const bounds = items.map((item) => item.bounds).reduce($ink.union);
    const sheet = new Sheet(items, around(bounds), DRAWING);
    const file = new Uint8Array(await sheet.file().arrayBuffer());
    const { answers } = await ask({ id: 0, pictures: [sheet.pixels()], find: "none" });
    found.push([btoa(String.fromCharCode(...file)), [...answers[0].image], answers[0].vote]);
  }
  return found;
}"""
#: Scores of images and scores (n, 784) and (n, 10), after some of them were taught their labels.
_TEACH = """([lessons, images, scores]) => {
  const teaching = new Teaching(lessons);
  return images.map((image, k) => teaching.corrected(image, scores[k]));
}"""
#: Images that are sent at once.
_AT_ONCE = 500


class InPage:
    """A page in one file that is open, and a second worker like its own."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        page.goto(path.as_uri())
        self._offer("teaching.js", "Teaching")
        self._offer("sheet.js", "Sheet", "DRAWING", "around", "$ink")
        text = path.read_text()
        held = json.loads(self._part(text, "description"))
        script, weights = self._part(text, "worker"), self._part(text, "weights")
        page.evaluate(_START, [script + _SCORES, weights, held["description"]])

    def _offer(self, module: str, *names: str) -> None:
        """Let the page see names of a module, and no others, which other modules have too."""
        body = f"{bundled(module)}return {{ {', '.join(names)} }};"
        self.page.add_script_tag(content=f"Object.assign(window, (() => {{\n{body}\n}})());")

    @staticmethod
    def _part(text: str, name: str) -> str:
        found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.DOTALL)
        assert found is not None
        return found[1]

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Ten scores for each of some images (n, 784) uint8."""
        parts: list[Any] = []
        for first in range(0, len(X), _AT_ONCE):
            content = base64.b64encode(X[first : first + _AT_ONCE].tobytes()).decode()
            parts += self.page.evaluate(_ASK_SCORES, content)
        return np.array(parts)

    def taught(
        self, lessons: list[dict[str, Any]], X: np.ndarray, scores: np.ndarray
    ) -> np.ndarray:
        """The scores (n, 10) of images (n, 784), once lessons were taught."""
        images = X.reshape(-1, 28, 28).tolist()
        return np.array(self.page.evaluate(_TEACH, [lessons, images, scores.tolist()]))

    def draw(self, drawings: list[dict[str, Any]]) -> list[tuple[bytes, np.ndarray, Any]]:
        """Draw strokes: each time the file (PNG), the image (784,) and the vote."""
        drawn = self.page.evaluate(_DRAW, drawings)
        return [(base64.b64decode(file), np.array(image), vote) for file, image, vote in drawn]
