"""Draws the pictures of README.md and docs/ anew, and runs the tour that one of them is from.

    python docs/make_pictures.py [FOLDER]

Everything comes from the program itself, the examples, the models that ship and the
digits inside scikit-learn; the tour needs nbclient and ipykernel, the page Playwright and
a Chromium.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

#: Examples that are written and photographed as differently as may be.
VOTES = ("two", "four", "seven", "nine", "zero", "five")
EXPLAINED = ("two", "seven")


def run(*arguments: str | Path) -> None:
    """Run an ovr-digits command."""
    command = [sys.executable, "-m", "ovr_digits", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def predict(names: tuple[str, ...], option: str, picture: Path) -> None:
    """Have some of the examples read by the models that ship, and a picture drawn of it."""
    examples = [ROOT / "examples" / f"{name}.png" for name in names]
    run("predict", *examples, "--models", ROOT / "models.pkl", option, picture)


def run_tour(tour: Path) -> NotebookNode:
    """Run docs/tour.ipynb from start to end, and write it with what its cells show."""
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    # Times would make each run another file.
    NotebookClient(notebook, timeout=300, record_timing=False).execute()
    nbformat.write(notebook, tour)
    return notebook


def draw_detectors(picture: Path) -> None:
    """Train detectors on the bundled digits, and have it drawn what each of them looks for."""
    with tempfile.TemporaryDirectory() as temporary:
        models, folder = Path(temporary, "models.pkl"), Path(temporary, "inside")
        run("train", "--dataset", "digits", "--output", models)
        run("inspect", models, "--save", folder)
        shutil.copyfile(folder / "detectors.png", picture)


def draw_page(picture: Path) -> None:
    """Draw a digit on the page, in a Chromium that is installed, and photograph it."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import Paper, Watch, find_chromium, open_browser, running_service
    from tests.strokes import write

    chromium = find_chromium()
    if chromium is None:
        print("docs/page.png is left as it is: no Chromium is installed", file=sys.stderr)
        return
    with (
        running_service("--models", str(ROOT / "models.pkl")) as service,
        open_browser(chromium) as browser,
    ):
        window = {"width": 1180, "height": 720}
        shown = {"x": 0, "y": 0, "width": 1180, "height": 690}  # without the small print
        context = browser.new_context(viewport=window, device_scale_factor=1.5)
        paper = Paper(context.new_page(), Watch(context, service.url))
        paper.page.goto(service.url)
        area = paper.area()
        paper.draw(write(4, area["width"] / 2, area["height"] / 2, 0.7 * area["height"], hand=1))
        paper.page.locator("#map-digit", has_text="4").wait_for()  # the last that is answered
        paper.page.screenshot(path=picture, clip=shown)


def picture_of(notebook: NotebookNode, cell_id: str) -> bytes:
    """The PNG that a cell of a notebook that has run shows."""
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    (png,) = (o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", ()))
    return base64.b64decode(png)


def main(folder: Path) -> None:
    """Write the pictures and the tour into a folder."""
    predict(VOTES, "--save", folder / "votes.png")
    predict(EXPLAINED, "--explain", folder / "explain.png")
    draw_detectors(folder / "detectors.png")
    draw_page(folder / "page.png")
    notebook = run_tour(folder / "tour.ipynb")
    (folder / "one-vs-rest.png").write_bytes(picture_of(notebook, "one-vs-rest"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
