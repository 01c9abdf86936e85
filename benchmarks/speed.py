"""How fast a models.pkl votes, and how near its features come to the speed of matrix products."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.contest import Settings
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import write_json, write_text

if TYPE_CHECKING:
    from ovr_digits.core.features import Branch

_ROUNDS = 7
_NOTES = """\
*Matrix products* is how long the products inside the features would take alone, at the rate that
a product of two 2,000 × 2,000 matrices of single precision reaches on one thread of this machine.
*One image* is the median of answers one after the other in a process that has loaded the models.
"""


def run_speed(settings: Settings, models_path: Path | None) -> None:
    """Measure, print and write the figures."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from ovr_digits import load_models
    from ovr_digits.core.features import branch_features
    from ovr_digits.modelfile import find_models
    from ovr_digits.parallel import collect

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
    everything = _median_seconds(lambda: collect(models.decision_function, X, n_jobs=-1))
    products = sum(_product_operations(b, models.image_shape) for b in models.branches) / rate
    found: dict[str, Any] = {
        "options": models.provenance.get("options"),
        "product_gflops": rate / 1e9,
        "features_microseconds": 1e6 * features,
        "products_microseconds": 1e6 * products,
        "ratio": features / products,
        "one_image_milliseconds": 1e3 * one,
        "images": len(X),
        "all_images_seconds": everything,
    }
    rows = [
        ["matrix products of single precision, one thread, GFLOPS", f"{rate / 1e9:.0f}"],
        ["features of an image, one thread, µs", f"{1e6 * features:.0f}"],
        ["their matrix products alone, µs", f"{1e6 * products:.0f}"],
        ["ratio", f"{features / products:.2f}"],
        ["one image, one thread, ms", f"{1e3 * one:.2f}"],
        [f"all {len(X):,} test images, all cores, s", f"{everything:.2f}"],
    ]
    about = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(),
        "date": machine.utc_now(),
        "dataset": data.dataset,
        "quick": data.quick,
    }
    preset = (models.provenance.get("options") or {}).get("preset", "unknown")
    stem = settings.stem(f"speed-{preset}")
    write_json(settings.output / f"{stem}.json", {"conditions": about, **found})
    title = f"# Voting with models of preset {preset}\n"
    table = markdown_table(["", ""], rows)
    page = "\n".join([title, conditions_text(about), table, _NOTES])
    write_text(settings.output / f"{stem}.md", page)
    print(table, end="")


def _median_seconds(call: Callable[[], object], rounds: int = _ROUNDS) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


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
