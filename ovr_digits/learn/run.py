"""How a fit runs: what settles its chances, on how many cores, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ovr_digits.learn.curves import OnEpoch
from ovr_digits.progress import Progress


@dataclass(frozen=True)
class Run:
    """Handed down from the one who wants detectors to all that is done for them.

    Attributes
    ----------
    rng : RandomState
        Everything that is drawn is drawn from it, in one order.
    n_jobs : int, optional
        Threads; -1 is one for each core. What is learnt does not depend on it.
    progress : Progress
    on_epoch : callable, optional
        Told a ``curves.EpochResult`` after each epoch.
    """

    rng: np.random.RandomState
    n_jobs: int | None = None
    progress: Progress = field(default_factory=Progress)
    on_epoch: OnEpoch | None = None
