"""Which samples of a set are looked at, drawn at random."""

from __future__ import annotations

import numpy as np


def random_indices(n_samples: int, count: int, seed: int | None) -> list[int]:
    """``count`` different places in 0..n_samples-1, the same ones for the same seed."""
    chosen = np.random.default_rng(seed).permutation(n_samples)[:count]
    return [int(index) for index in chosen]
