"""The detectors as scikit-learn classifiers: one for a single digit, and ten with a vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import probabilities
from ovr_digits.learn.coordinates import Redraw
from ovr_digits.learn.curves import OnEpoch
from ovr_digits.learn.estimator import SGDOnFeatures, plain_values
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.fitting import FittedDetectors, Samples
from ovr_digits.parallel import collect
from ovr_digits.progress import Progress


class DigitDetector(SGDOnFeatures):
    """A binary classifier on images: "is this my digit?".

    Patch features, whitened, and on them an ``SGDClassifier``; after fitting,
    everything behind the features is folded into its one weight vector.

    Parameters
    ----------
    features : PatchKernelFeatures, optional
        How features are learnt; the default options where not given.
    loss : str, default="hinge"
        One of ``presets.DETECTOR_LOSSES``.
    epochs : int, default=10
        Passes of SGD over the samples and over each of their copies.
    n_copies : int, default=0
        Distorted copies of every sample, each a little turned, stretched,
        shifted and bent in its own way. Memory does not grow with them.
    alpha : float, default=1e-6
        Weight of the L2 penalty.
    step : float, default=1.0
        Learning rate times the mean squared length of a sample.
    n_components : int, default=1000
        Principal axes kept of each view's features.
    whitening_ridge : float, default=0.1
        Added to each eigenvalue, in units of the mean eigenvalue.
    n_leading : int, default=0
        Axes of each view, the leading ones, whose coordinates are also
        multiplied with one another: a detector is then a quadratic function of
        these, and a linear one of all others.
    groups : sequence of sequences of str, optional
        Views whose features learn together; a detector's score is the mean of
        those that its groups of views give. Learning in groups of two makes
        fewer mistakes than learning from all views at once. By default all
        views are one group.
    validation_fraction : float in 0..1, default=0.0
        Share of the samples, the last ones, held out to calibrate the
        probabilities before the final fit takes them in too; with 0 the
        scores stay as SGD made them.
    patience : int, optional
        Stop once the loss on the held-out part has not fallen for so many
        epochs, and keep the weights of the epoch where it was lowest; copies
        that do not fit into memory together are taken in turn, each window of
        them until it brings nothing more. ``epochs`` is the most of a window.
    n_jobs : int, optional
        Threads; -1 is one for each core.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    classes_ : (2,) array
        ``[False, True]`` where ``y`` is bool.
    features_ : PatchKernelFeatures
        Shared by detectors that were fitted together.
    sgd_ : SGDClassifier
        The weights on the features.
    provenance_ : dict
        Where the detector comes from; empty unless it came through ``train``.
    n_features_in_ : int
        Pixels of an image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> features = PatchKernelFeatures(n_anchors=(8, 32), random_state=0)
    >>> detector = DigitDetector(features, random_state=0).fit(X[:500] * 15, y[:500] == 7)
    >>> bool((detector.predict(X[500:600] * 15) == (y[500:600] == 7)).mean() > 0.95)
    True
    """

    __module__ = "ovr_digits"  # the public name, which models.pkl stores

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit on images and two classes.

        Parameters
        ----------
        X : (n, h * w) or (n, h, w)
            Grey levels 0-255.
        y : (n,)
        sample_weight : (n,), optional
            What each sample counts for in the steps of SGD and in the calibration;
            one of 0 is left out. Features are learnt from all others alike.

        Raises
        ------
        ValueError
            Where there are not two classes, or patience without a validation part,
            or where a parameter is out of its range.
        """
        X, y, weights = self._check_samples(X, y, sample_weight)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError("a detector needs samples of 2 classes, but y has only one class")
        targets = (y == classes[1])[:, None]
        fitted = self._fit_samples(Samples(X, targets, weights, self._n_held_out(y)))
        return self._take(fitted, 0, classes, {})

    def _take(
        self,
        fitted: FittedDetectors,
        column: int,
        classes: Array,
        provenance: Mapping[str, Any],
    ) -> Self:
        """Become the detector of one column of a fit."""
        self.features_ = fitted.features
        self.image_shape_ = fitted.features.image_shape_
        self.n_features_in_ = fitted.features.n_features_in_
        self.classes_ = classes
        self.provenance_ = provenance
        # The weights are an average already, so that partial_fit goes on from them as they are.
        self.sgd_ = SGDClassifier(loss=self.loss, alpha=self.alpha, max_iter=self.epochs)
        self.sgd_.coef_ = np.ascontiguousarray(fitted.coef[column : column + 1])
        self.sgd_.intercept_ = fitted.intercept[column : column + 1].copy()
        self.sgd_.classes_ = classes
        self.sgd_.n_features_in_ = fitted.coef.shape[1]
        self.sgd_.t_ = float(fitted.n_updates + 1)
        return self

    def decision_function(self, X: Any) -> Float64:
        """Log-odds of the second class, positive where ``predict`` gives it: (n,)."""
        check_is_fitted(self)
        X = self.check_images(X, reset=False)
        return collect(detector_arrays([self]).scores, X, self.n_jobs)[:, 0]

    def predict(self, X: Any) -> Array:
        """The class of each image: (n,), of the dtype of ``classes_``."""
        said_yes = self.decision_function(X) > 0
        return self.classes_[said_yes.astype(int)]

    def predict_proba(self, X: Any) -> Float64:
        """Probability of either class: (n, 2)."""
        scores = self.decision_function(X)
        return np.stack([probabilities(-scores), probabilities(scores)], axis=1)

    @property
    def steps(self) -> list[tuple[str, Any]]:
        """What an image goes through, as a ``Pipeline`` names it."""
        check_is_fitted(self)
        return [("features", self.features_), ("sgd", self.sgd_)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class OneVsRestDigits(SGDOnFeatures):
    """A detector for each class, and the highest score wins.

    The detectors share their features, learnt once. Parameters are those of
    ``DigitDetector``.

    Attributes
    ----------
    classes_ : (n_classes,) array
    detectors_ : list of DigitDetector
        One for each class, in the order of ``classes_``.
    validation_score_ : float or None
        Accuracy of the vote on the held-out part, by detectors that had not
        seen it; ``None`` with ``validation_fraction=0``.
    kept_epoch_ : int
        The epoch whose weights these are: the last, but for ``patience``.
    n_features_in_ : int
        Pixels of an image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> features = PatchKernelFeatures(n_anchors=(8, 32), random_state=0)
    >>> model = OneVsRestDigits(features, random_state=0).fit(X[:1000] * 15, y[:1000])
    >>> model.score(X[1000:1100] * 15, y[1000:1100]) > 0.9
    True
    """

    def fit(  # noqa: PLR0913
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        progress: Progress | None = None,
        negatives: Array | None = None,
        on_epoch: OnEpoch | None = None,
        redraw: Redraw | None = None,
    ) -> Self:
        """Fit on images and their classes.

        Parameters
        ----------
        X : (n, h * w) or (n, h, w)
            Grey levels 0-255.
        y : (n,)
        sample_weight : (n,), optional
            As for ``DigitDetector``; the validation score counts with it too.
        progress : Progress, optional
        negatives : (n_negatives, h * w), optional
            Images of no class, which every detector learns to say no to.
        on_epoch : callable, optional
            Told a ``curves.EpochResult`` after each epoch; nothing is measured
            where neither this nor ``patience`` is given.
        redraw : callable, optional
            Gives X for a copy, by its number from 1 on, before it is distorted:
            what was drawn is drawn anew. By default X itself.

        Raises
        ------
        ValueError
            Where there is only one class, or patience without a validation part,
            or where a parameter is out of its range.
        """
        X, y, weights = self._check_samples(X, y, sample_weight)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError("one-vs-rest needs samples of 2 classes, but y has only one class")
        targets = y[:, None] == self.classes_
        if negatives is not None:  # in front: the last samples are those held out
            X = np.concatenate([negatives, X])
            targets = np.pad(targets, ((len(negatives), 0), (0, 0)))
            weights = np.pad(weights, (len(negatives), 0), constant_values=1)
            if redraw is not None:
                redraw = partial(_behind, negatives, redraw)
        samples = Samples(X, targets, weights, self._n_held_out(y), redraw)
        fitted = self._fit_samples(samples, progress=progress or Progress(), on_epoch=on_epoch)
        self.kept_epoch_ = fitted.kept_epoch
        self.validation_score_ = None
        if fitted.validation_scores is not None:
            winners = self.classes_[fitted.validation_scores.argmax(axis=1)]
            right = winners == y[-len(winners) :]
            self.validation_score_ = float(np.average(right, weights=weights[-len(winners) :]))
        options = plain_values(self.get_params(deep=False)) | {"features": None, "n_jobs": None}
        answers = np.array([False, True])
        provenance: dict[str, Any] = {}
        self.detectors_ = [
            DigitDetector(**options)._take(fitted, column, answers, provenance)
            for column in range(len(self.classes_))
        ]
        return self

    def arrays(self) -> DetectorArrays:
        """The detectors as plain arrays, which need no scikit-learn to vote."""
        check_is_fitted(self)
        return detector_arrays(self.detectors_)

    def decision_function(self, X: Any) -> Float64:
        """Every detector's log-odds: (n, n_classes), or (n,) for the second of two classes."""
        check_is_fitted(self)
        X = self.check_images(X, reset=False)
        scores = collect(self.arrays().scores, X, self.n_jobs)
        return (scores[:, 1] - scores[:, 0]) / 2 if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Array:
        """The class whose detector scores highest: (n,)."""
        scores = self.decision_function(X)
        winners = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[winners]

    def predict_proba(self, X: Any) -> Float64:
        """Probability of each class: (n, n_classes), every row of sum 1.

        As in scikit-learn's ``OneVsRestClassifier``, each detector's own probability,
        divided by the sum of all.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return probabilities(np.stack([-scores, scores], axis=1))
        # In logarithms, since where every detector says no by far the sum would be 0.
        logs = -np.logaddexp(0.0, -scores)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


def _behind(negatives: Array, redraw: Redraw, copy: int) -> Array:
    return np.concatenate([negatives, redraw(copy)])


def detector_arrays(detectors: list[DigitDetector]) -> DetectorArrays:
    """Detectors that share their features, as plain arrays."""
    first = detectors[0]
    return DetectorArrays(
        branches=first.features_.branches_,
        image_shape=first.image_shape_,
        coef=np.concatenate([d.sgd_.coef_ for d in detectors]),
        intercept=np.concatenate([d.sgd_.intercept_ for d in detectors]),
        provenance=first.provenance_,
    )


def detectors_of(models: DetectorArrays, loss: str, n_updates: int) -> list[DigitDetector]:
    """Plain arrays as detectors that share their features, as ``detector_arrays`` takes them.

    Parameters
    ----------
    models : DetectorArrays
    loss : str
        What the weights learn by, if they go on learning.
    n_updates : int
        Samples that each detector passed over.
    """
    branches = tuple(
        branch
        if branch.leading is None
        # As they were stored: the reader widens them, which the file need not pay for.
        else replace(
            branch, leading=replace(branch.leading, axes=branch.leading.axes.astype(np.float16))
        )
        for branch in models.branches
    )
    layers = branches[0].layers
    whitener = layers[0].whitener
    features = PatchKernelFeatures(
        views=tuple(branch.view for branch in branches),
        n_anchors=tuple(len(layer.anchors) for layer in layers),
        n_channels=len(layers[0].anchors) if whitener is None else whitener.shape[1],
        patch_sizes=tuple(layer.patch_size for layer in layers),
        strides=tuple(layer.stride for layer in layers),
        alphas=tuple(layer.alpha for layer in layers),
    )
    features.branches_ = branches
    features.image_shape_ = models.image_shape
    features.n_features_in_ = models.image_shape[0] * models.image_shape[1]
    fitted = FittedDetectors(features, models.coef, models.intercept, n_updates, None, 1)
    provenance = dict(models.provenance)
    answers = np.array([False, True])
    return [
        DigitDetector(loss=loss)._take(fitted, digit, answers, provenance)
        for digit in range(len(models.coef))
    ]
