"""The images that every contestant is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: What ``--quick`` leaves: the first training and test images.
QUICK_TRAIN, QUICK_TEST = 2_000, 1_000


@dataclass(frozen=True)
class Data:
    """Which images are used.

    Attributes
    ----------
    dataset : "mnist" or "digits"
    data_dir : str, optional
        Folder of the MNIST files; default: see ``ovr_digits.data.splits.load_split``.
    quick : bool
        Only the first images of each part.
    """

    dataset: str = "mnist"
    data_dir: str | None = None
    quick: bool = False

    def limit(self, part: str) -> int | None:
        """The most images of a part; None is all."""
        if not self.quick:
            return None
        return QUICK_TRAIN if part == "train" else QUICK_TEST

    def load(self, part: str) -> tuple[Any, Any]:
        """Images (n, 784) uint8 and their digits (n,) uint8."""
        from ovr_digits.data.splits import load_split

        split = load_split(self.dataset, part, self.data_dir)  # type: ignore[arg-type]
        return split.X[: self.limit(part)], split.y[: self.limit(part)]

    def train_options(self) -> list[str]:
        """The same choice as options of ``ovr-digits train``."""
        options = ["--dataset", self.dataset]
        if self.data_dir is not None:
            options += ["--data-dir", self.data_dir]
        return options

    def as_json(self) -> dict[str, Any]:
        """What the constructor takes."""
        return asdict(self)
