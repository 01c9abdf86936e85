"""Averaged SGD for several detectors, which spends its steps on the samples that need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import SGDClassifier

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.run import Run
from ovr_digits.parallel import resolve_jobs

#: Samples between two looks at which of them still need a step.
BLOCK = 2000

#: Losses whose gradient is zero where a sample is beyond the margin of 1.
_MARGIN_LOSSES = ("hinge", "squared_hinge", "modified_huber")
#: How far beyond the margin a sample is still taken, since weights move within a block.
_SLACK = 0.3
#: Targets that a task takes: enough to share out the cost of reading the samples.
_TARGETS_A_TASK = 5


class Inputs(Protocol):
    """What detectors see of samples that are kept in another form."""

    def __call__(self, Z: Floats, rows: Array) -> Float32:
        """Inputs (len(rows), n_inputs) from some of the samples Z."""

    def scores(self, Z: Floats, rows: Array, coef: Floats) -> Floats:
        """What ``self(Z, rows) @ coef.T`` would give: (len(rows), n_targets)."""


def learning_rate(inputs: Floats, step: float) -> float:
    """Learning rate for samples like these inputs (n, n_inputs): ``step`` by mean squared length.

    The offset learns as the weight of one more input, always 1, would.
    """
    inputs = inputs.astype(np.float64)
    return step / (float(np.einsum("ij,ij->", inputs, inputs)) / len(inputs) + 1.0)


class AveragedSGD:
    """An SGDClassifier for each target, and the average of each one's weights over time.

    With a loss that has a margin, a step on a sample far beyond it changes
    nothing. So the scores of a block of samples are computed at once, and only
    those within reach of the margin are passed to ``partial_fit``: after the
    first pass over MNIST one in twenty.

    The average is taken here, over the weights after each block
    (Polyak and Juditsky, *Acceleration of stochastic approximation by
    averaging*, 1992): SGDClassifier's own would need a step for every sample,
    and with ``partial_fit`` it begins its offset anew at every call.

    Parameters
    ----------
    inputs : Inputs
        What these detectors see of a sample.
    targets : (n, n_targets) bool
        What each detector should say of the first n samples; others it does not see.
    options : LearningOptions
    rng : RandomState
    sample_weight : (n,) float64, optional
        What the step for each sample is multiplied by.

    Attributes
    ----------
    n_samples : int
        Samples passed over so far.
    """

    def __init__(
        self,
        inputs: Inputs,
        targets: Bools,
        options: LearningOptions,
        rng: np.random.RandomState,
        sample_weight: Float64 | None = None,
    ) -> None:
        self._inputs, self._targets, self._options = inputs, targets, options
        self._weights = np.ones(len(targets)) if sample_weight is None else sample_weight
        self._seeds = [int(rng.randint(2**31)) for _ in range(targets.shape[1])]
        self._classifiers: list[SGDClassifier] = []
        self._sum = np.zeros((targets.shape[1], 0))
        self._n_blocks = 0
        self.n_samples = 0

    def begin_pass(self, Z: Floats) -> list[slice]:
        """The parts of the detectors whose ``learn`` may run side by side."""
        n, n_targets = self._targets.shape
        if not self._classifiers:
            some = self._inputs(Z, np.arange(0, n, max(1, n // BLOCK)))
            self._sum = np.zeros((n_targets, some.shape[1] + 1))
            self._make_classifiers(learning_rate(some, self._options.step))
        self._n_blocks += -(-n // BLOCK)
        self.n_samples += n
        return [slice(k, k + _TARGETS_A_TASK) for k in range(0, n_targets, _TARGETS_A_TASK)]

    def _make_classifiers(self, eta0: float) -> None:
        self._classifiers = [
            SGDClassifier(
                loss=self._options.loss,
                alpha=self._options.alpha,
                learning_rate="constant",
                eta0=eta0,
                random_state=np.random.RandomState(seed),
            )
            for seed in self._seeds
        ]

    def begin_with(self, coef: Floats, intercept: Floats, eta0: float) -> None:
        """Begin with weights (n_targets, n_inputs), offsets (n_targets,) and a learning rate."""
        self._sum = np.zeros((len(coef), coef.shape[1] + 1))
        self._make_classifiers(eta0)
        for k, classifier in enumerate(self._classifiers):
            # Makes everything that a later call needs, of which the weights are but a part.
            classifier.partial_fit(np.zeros_like(coef[:1]), [False], classes=[False, True])
            classifier.coef_ = coef[k : k + 1].copy()
            classifier.intercept_ = intercept[k : k + 1].astype(np.float64)

    @property
    def last(self) -> tuple[Floats, Float64]:
        """Weights (n_targets, n_inputs) and offsets (n_targets,) as the last sample left them."""
        return (
            np.concatenate([c.coef_ for c in self._classifiers]),
            np.concatenate([c.intercept_ for c in self._classifiers]),
        )

    def learn(self, Z: Floats, order: Array, chosen: slice) -> None:
        """Let some of the detectors pass over the samples Z (n, d) once, in an order."""
        classes = np.array([False, True])
        order = order[order < len(self._targets)]
        classifiers, sums = self._classifiers[chosen], self._sum[chosen]
        for start in range(0, len(order), BLOCK):
            rows = order[start : start + BLOCK]
            targets = self._targets[rows, chosen]
            near = self._near_margin(Z, rows, targets, classifiers)
            for_any = near.any(axis=1)
            rows, targets, near = rows[for_any], targets[for_any], near[for_any]
            block, weights = self._inputs(Z, rows), self._weights[rows]
            for k, classifier in enumerate(classifiers):
                needed = np.flatnonzero(near[:, k])
                if len(needed):
                    classifier.partial_fit(
                        block[needed], targets[needed, k], classes, weights[needed]
                    )
                sums[k, :-1] += classifier.coef_[0]
                sums[k, -1] += classifier.intercept_[0]

    def _near_margin(
        self, Z: Floats, rows: Array, targets: Bools, classifiers: Sequence[SGDClassifier]
    ) -> Bools:
        """Which samples (n, n_targets) may still change a detector."""
        if not hasattr(classifiers[0], "coef_") or self._options.loss not in _MARGIN_LOSSES:
            return np.ones(targets.shape, bool)
        coef = np.concatenate([c.coef_ for c in classifiers])
        scores = self._inputs.scores(Z, rows, coef)
        scores = scores + np.concatenate([c.intercept_ for c in classifiers])
        return np.asarray(np.where(targets, scores, -scores) < 1 + _SLACK)

    @property
    def coef(self) -> Float64:
        """Mean weights over time, (n_targets, n_inputs)."""
        return self._sum[:, :-1] / self._n_blocks

    @property
    def intercept(self) -> Float64:
        """Mean offsets over time, (n_targets,)."""
        return self._sum[:, -1] / self._n_blocks


def pass_over(learners: Sequence[AveragedSGD], Z: Floats, run: Run) -> None:
    """Let all learners pass over the samples Z (n, d) once, in one random order."""
    order = run.rng.permutation(len(Z))
    Parallel(n_jobs=resolve_jobs(run.n_jobs), prefer="threads")(
        delayed(learner.learn)(Z, order, part)
        for learner in learners
        for part in learner.begin_pass(Z)
    )
