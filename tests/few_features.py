"""The command, whose trainings have few features: ``python few_features.py train ...``."""

from __future__ import annotations

import functools

from ovr_digits import PatchKernelFeatures
from ovr_digits.cli import main
from ovr_digits.learn import training

training.PatchKernelFeatures = functools.partial(  # type: ignore[misc, assignment]
    PatchKernelFeatures, n_anchors=(8, 16)
)

if __name__ == "__main__":
    main(prog_name="ovr-digits")
