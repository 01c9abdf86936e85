"""How fast a digit is found on a picture and voted on, and how near that comes to what it may."""

from __future__ import annotations

import io
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.contest import Settings
from benchmarks.report import markdown_table, write_results

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ovr_digits.core.features import Branch

_ROUNDS = 7
_NOTES = """\
*Matrix products* is how long the products inside the features would take alone, at the rate that
a product of two 2,000 × 2,000 matrices of single precision reaches on one thread of this machine.
*One image* is the median of answers one after the other in a process that has loaded the models.
*A drawing* is what a browser's canvas sends, a PNG of 280 × 280 pixels with transparency that is
not used; *a photo* is a JPEG of 4,000 × 3,000 pixels with ink and paper in colour and some noise.
Both are timed from the file's bytes to the digit's 28 × 28 pixels.
"""


def run_speed(settings: Settings, models_path: Path | None) -> None:
    """Measure, print and write the figures."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from ovr_digits import load_models
    from ovr_digits.core.features import branch_features
    from ovr_digits.models.place import find_models
    from ovr_digits.parallel import collect
    from ovr_digits.picture.digit import find_digit

    data = settings.data
    X, _ = data.load("test")
    models = load_models(find_models(models_path))
    n = min(256, len(X))  # as many as vote at once
    images = (X[:n].astype(np.float32) / 255).reshape(n, *models.image_shape)
    square = np.random.default_rng(0).random((2000, 2000), np.float32)
    with threadpool_limits(1, user_api="blas"):
        rate = 2 * 2000**3 / _median_seconds(lambda: square @ square)
        features = _median_seconds(lambda: branch_features(images, models.branches)) / n
        singles = iter(range(10**9))
        one = _median_seconds(
            lambda: models.decision_function(X[[next(singles) % len(X)]]), rounds=200
        )
        drawing, photo = (make(X[0].reshape(models.image_shape)) for make in (_drawing, _photo))
        found_on_drawing = _median_seconds(lambda: find_digit(drawing), rounds=50)
        found_on_photo = _median_seconds(lambda: find_digit(photo))
    everything = _median_seconds(lambda: collect(models.decision_function, X, n_jobs=-1))
    products = sum(_product_operations(b, models.image_shape) for b in models.branches) / rate
    found: dict[str, Any] = {
        "options": models.provenance.get("options"),
        "product_gflops": rate / 1e9,
        "features_microseconds": 1e6 * features,
        "products_microseconds": 1e6 * products,
        "ratio": features / products,
        "one_image_milliseconds": 1e3 * one,
        "drawing_milliseconds": 1e3 * found_on_drawing,
        "photo_milliseconds": 1e3 * found_on_photo,
        "images": len(X),
        "all_images_seconds": everything,
    }
    rows = [
        ["matrix products of single precision, one thread, GFLOPS", f"{rate / 1e9:.0f}"],
        ["features of an image, one thread, µs", f"{1e6 * features:.0f}"],
        ["their matrix products alone, µs", f"{1e6 * products:.0f}"],
        ["ratio", f"{features / products:.2f}"],
        ["one image, one thread, ms", f"{1e3 * one:.2f}"],
        ["a drawing to 28 × 28 pixels, one thread, ms", f"{1e3 * found_on_drawing:.1f}"],
        ["a photo to 28 × 28 pixels, one thread, ms", f"{1e3 * found_on_photo:.0f}"],
        [f"all {len(X):,} test images, all cores, s", f"{everything:.2f}"],
    ]
    about = {**machine.conditions(), "dataset": data.dataset, "quick": data.quick}
    preset = (models.provenance.get("options") or {}).get("preset", "unknown")
    table = markdown_table(["", ""], rows)
    stem = settings.output / settings.stem(f"speed-{preset}")
    write_results(stem, f"Voting with models of preset {preset}", about, found, table, _NOTES)
    print(table, end="")


def _median_seconds(call: Callable[[], object], rounds: int = _ROUNDS) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _page(digit: NDArray[np.uint8], size: tuple[int, int], pen: str, paper: str) -> Image.Image:
    """A digit (h, w) on paper, two thirds as high as that."""
    from PIL import Image

    side = 2 * size[1] // 3
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    page = Image.new("RGB", size, paper)
    page.paste(pen, ((size[0] - side) // 2, (size[1] - side) // 2), large)
    return page


def _drawing(digit: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    _page(digit, (280, 280), "black", "white").convert("RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def _photo(digit: NDArray[np.uint8]) -> bytes:
    import numpy as np
    from PIL import Image

    page = np.asarray(_page(digit, (4000, 3000), "#20204a", "#e0d8c8"), np.int16)
    noise = np.random.default_rng(0).integers(-8, 9, (*page.shape[:2], 1), np.int16)
    buffer = io.BytesIO()
    Image.fromarray((page + noise).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _product_operations(branch: Branch, image_shape: tuple[int, int]) -> int:
    """Floating-point operations of the matrix products that one image takes in a branch."""
    from ovr_digits.core.features import n_positions

    h, w = image_shape
    total = 0
    for layer in branch.layers:
        n_anchors, size = layer.anchors.shape
        h, w = (n_positions(side, layer.patch_size) for side in (h, w))
        pooled_h, pooled_w = (math.ceil(side / layer.stride) for side in (h, w))
        compared = h * w * size
        pooled = pooled_h * w * (h + pooled_w)
        whitened = 0 if layer.whitener is None else pooled_h * pooled_w * layer.whitener.shape[1]
        total += 2 * n_anchors * (compared + pooled + whitened)
        h, w = pooled_h, pooled_w
    if branch.leading is not None:
        total += 2 * branch.leading.axes.size
    return total
