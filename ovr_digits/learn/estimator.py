"""What one detector and ten have in common as scikit-learn estimators: parameters and the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils import assert_all_finite, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.learn.features import Constraints, ImageInput, PatchKernelFeatures
from ovr_digits.learn.fitting import FittedDetectors, Samples, fit_detectors
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.presets import DETECTOR_LOSSES
from ovr_digits.learn.run import Run
from ovr_digits.models.limits import MAX_LEADING, check_size
from ovr_digits.models.place import ModelFileError
from ovr_digits.picture.mnist_form import IMAGE_SHAPE

_DEFAULTS = LearningOptions()


class SGDOnFeatures(ClassifierMixin, ImageInput):
    """The options that one detector and ten share, and the fit that both use."""

    patience: int | None = None  # of detectors in a models.pkl from before there was patience

    _parameter_constraints: ClassVar[Constraints] = {
        "features": [PatchKernelFeatures, None],
        "loss": [StrOptions(set(DETECTOR_LOSSES))],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "step": [Interval(Real, 0, None, closed="neither")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "whitening_ridge": [Interval(Real, 0, None, closed="neither")],
        "n_leading": [Interval(Integral, 0, MAX_LEADING, closed="both")],
        "groups": ["array-like", None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    _item_constraints: ClassVar[Constraints] = {"groups": ["array-like"]}

    def __init__(  # noqa: PLR0913
        self,
        features: PatchKernelFeatures | None = None,
        loss: str = _DEFAULTS.loss,
        epochs: int = _DEFAULTS.epochs,
        n_copies: int = _DEFAULTS.n_copies,
        alpha: float = _DEFAULTS.alpha,
        step: float = _DEFAULTS.step,
        n_components: int = _DEFAULTS.n_components,
        whitening_ridge: float = _DEFAULTS.whitening_ridge,
        n_leading: int = _DEFAULTS.n_leading,
        groups: Sequence[Sequence[str]] | None = _DEFAULTS.groups,
        validation_fraction: float = _DEFAULTS.validation_fraction,
        patience: int | None = _DEFAULTS.patience,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.features = features
        self.loss = loss
        self.epochs = epochs
        self.n_copies = n_copies
        self.alpha = alpha
        self.step = step
        self.n_components = n_components
        self.whitening_ridge = whitening_ridge
        self.n_leading = n_leading
        self.groups = groups
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _check_samples(self, X: Any, y: Any, sample_weight: Any) -> tuple[Array, Array, Float64]:
        """Images, their targets and weights, without those that weigh nothing."""
        self.check_parameters()
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, "
                "but the target y is None"
            )
        X = self.check_images(X, reset=True)
        y = column_or_1d(y, warn=True)
        validate_data(self, X, y, reset=False, skip_check_array=True)
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} samples, but y has {len(y)}")
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if sample_weight is None:
            return X, y, np.ones(len(y))
        weights = check_array(
            sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
        )
        if weights.shape != y.shape or (weights < 0).any() or not weights.any():
            raise ValueError(
                f"sample_weight needs a number for each of {len(y)} samples, "
                "none negative and not all zero"
            )
        counts = weights > 0
        return (X, y, weights) if counts.all() else (X[counts], y[counts], weights[counts])

    def _fit_samples(self, samples: Samples, **run: Any) -> FittedDetectors:
        """Fit on samples; ``run`` is what else a ``Run`` takes."""
        rng = check_random_state(self.random_state)
        features = PatchKernelFeatures() if self.features is None else clone(self.features)
        features.set_params(**plain_values(features.get_params()))
        features.check_parameters()
        self._check_size(features)
        if features.random_state is None:
            features.random_state = int(rng.randint(2**31))
        options = {field.name: getattr(self, field.name) for field in fields(LearningOptions)}
        return fit_detectors(
            samples, features, LearningOptions(**options), Run(rng, self.n_jobs, **run)
        )

    def _n_held_out(self, y: Array) -> int:
        n = round(self.validation_fraction * len(y))
        if n >= len(y):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves none of {len(y)} samples "
                "to learn from"
            )
        return n

    def _check_size(self, features: PatchKernelFeatures) -> None:
        """Refuse what would be learnt for the size of MNIST's images, and could not be saved."""
        if self.image_shape_ != IMAGE_SHAPE:
            return
        n_leading = min(self.n_leading, self.n_components)
        try:
            check_size(features.planned_branches(self.image_shape_, n_leading))
        except ModelFileError as error:
            raise ValueError(
                f"no models.pkl may hold what these parameters ask for: {error}; give fewer "
                "n_anchors, views or n_leading, or larger strides"
            ) from None


def plain_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as plain Python values, which is all that a models.pkl may hold."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.random.RandomState):
            return int(value.randint(2**31))
        if isinstance(value, list | tuple):
            return tuple(plain(item) for item in value)
        return value.item() if isinstance(value, np.generic) else value

    return {name: plain(value) for name, value in options.items()}
