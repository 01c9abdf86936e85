"""The training run: from a data set to a models.pkl that says where it comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ovr_digits.core.arrays import Array
from ovr_digits.core.evaluation import evaluate_scores
from ovr_digits.data.hands import SETS, load_hands
from ovr_digits.data.splits import Dataset, load_split
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable
from ovr_digits.learn.curves import OnEpoch
from ovr_digits.learn.detectors import OneVsRestDigits
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.negatives import draw_negatives
from ovr_digits.learn.presets import FORMS, NEGATIVES, PRESETS, Preset
from ovr_digits.learn.training_set import Drawing, TrainingSet, gather
from ovr_digits.models.modelfile import save_models
from ovr_digits.models.stamp import stamp
from ovr_digits.parallel import collect
from ovr_digits.progress import Progress, percent

#: Fewer images than this leave too little to hold out.
MIN_SAMPLES = 60


@dataclass(frozen=True)
class CommonOptions:
    """What the person can choose of any training.

    Attributes
    ----------
    dataset : "mnist" or "digits"
    data_dir : Path, optional
        Folder of the MNIST files; default: see ``data.load_split``.
    output : Path
        The models.pkl to write.
    preset : Preset
        What is learnt, and how.
    seed : int
    negatives : float
        Pictures of no digit, which every detector learns to say no to, for each
        training image; see ``negatives.draw_negatives``.
    n_jobs : int
        Cores; -1 is all.
    """

    dataset: Dataset = "mnist"
    data_dir: Path | None = None
    output: Path = Path("models.pkl")
    preset: Preset = PRESETS["default"]
    seed: int = 0
    negatives: float = NEGATIVES
    n_jobs: int = -1


@dataclass(frozen=True)
class TrainingOptions(CommonOptions):
    """What the person can choose of a training in memory.

    Attributes
    ----------
    limit : int, optional
        Only the first images of the training set.
    hands : tuple of str
        Other people's digits to learn from as well, see ``data.hands``.
    forms : int
        Digits of the world's forms to draw and to learn from as well, see ``forms.draw_forms``,
        and at most as many to cut out of rows, see ``rows.draw_cut_digits``.
    """

    limit: int | None = None
    hands: tuple[str, ...] = ()
    forms: int = FORMS


@dataclass(frozen=True)
class TrainingResult:
    """What a training run found; accuracies are shares in 0..1.

    ``test_accuracy`` is ``None`` where the images come with no test set.
    ``kept_epoch`` is the epoch whose weights were kept, see ``curves.EpochResult``.
    """

    output: Path
    dataset: str
    source: str
    samples: int
    test_samples: int
    seconds: float
    validation_accuracy: float
    test_accuracy: float | None
    kept_epoch: int
    options: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "output": str(self.output),
            "dataset": self.dataset,
            "samples": self.samples,
            "seconds": round(self.seconds, 2),
            "validation_accuracy": round(self.validation_accuracy, 6),
            "test_accuracy": None if self.test_accuracy is None else round(self.test_accuracy, 6),
            "options": self.options,
        }


def train(
    options: TrainingOptions,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainingResult:
    """Train ten detectors, check them, and write models.pkl.

    The features are learnt, and the detectors first fitted, without the
    validation part; it gives the validation accuracy and the calibration.
    The final detectors are fitted on all images. The test set is read once,
    at the end. Where ``on_epoch`` is given, the detectors are measured after
    each epoch, and it is told.

    Raises
    ------
    DigitsError
        Where there is no data, it lacks a digit, or the output cannot be
        written; an output that was there before is untouched then.
    """
    progress = progress or Progress()
    check_writable(options.output)
    started = time.perf_counter()
    train_split = load_split(options.dataset, "train", options.data_dir, progress)
    test_split = load_split(options.dataset, "test", options.data_dir, progress)
    limited = replace(
        train_split, X=train_split.X[: options.limit], y=train_split.y[: options.limit]
    )
    preset, learning = options.preset, options.preset.learning
    _check_samples(limited.y, len(limited) - round(learning.validation_fraction * len(limited)))
    hands = [load_hands(name, options.data_dir, progress) for name in options.hands]
    drawing = Drawing(options.forms, options.seed, options.n_jobs, progress)
    training = gather(limited, hands, learning.validation_fraction, drawing)
    model = fit(training, options, progress, on_epoch)

    progress.stage("voting on the test set", len(test_split))
    scores = collect(
        model.arrays().decision_function, test_split.X, options.n_jobs, progress.advance
    )
    assert model.validation_score_ is not None
    n_drawn = len(training.y) - len(limited) - sum(map(len, hands))
    drawn = [f"{n_drawn:,} drawn digits"] if n_drawn else []
    result = TrainingResult(
        output=options.output,
        dataset=options.dataset,
        source=", ".join([train_split.source, *options.hands, *drawn]),
        samples=len(training.y),
        test_samples=len(test_split),
        seconds=time.perf_counter() - started,
        validation_accuracy=model.validation_score_,
        test_accuracy=evaluate_scores(scores, test_split.y).accuracy,
        kept_epoch=model.kept_epoch_,
        options={
            "preset": preset.name,
            "seed": options.seed,
            "epochs": learning.epochs,
            "patience": learning.patience,
            "kept_epoch": model.kept_epoch_,
            "detector_loss": learning.loss,
            "limit": options.limit,
            "negatives": options.negatives,
            "hands": list(options.hands),
            "forms": options.forms,
        },
    )
    writers = ", and as many writers of other sets," if hands else ""
    share = percent(learning.validation_fraction, 0)
    split = f"the last {share} of {len(limited):,} images{writers} held out first"
    from_where = provenance(result, train_split.digest, split)
    from_where["hands"] = [SETS[name].credit for name in options.hands]
    for detector in model.detectors_:
        detector.provenance_ = from_where
    save_models(model.detectors_, options.output)
    return result


def fit(
    training: TrainingSet,
    options: CommonOptions,
    progress: Progress,
    on_epoch: OnEpoch | None = None,
) -> OneVsRestDigits:
    """Fit ten detectors on a training set, and on negatives that are drawn for it."""
    X, y = training.images(), training.y
    n_negatives = round(options.negatives * len(X))
    progress.stage("pictures of no digit", n_negatives)
    first = X[: len(X) - training.n_held_out]
    negatives = draw_negatives(n_negatives, first, options.seed, progress.advance)
    preset = options.preset
    learnt = vars(preset.learning) | {"validation_fraction": training.n_held_out / len(y)}
    model = OneVsRestDigits(
        PatchKernelFeatures(preset.views, n_channels=preset.n_channels),
        **learnt,
        n_jobs=options.n_jobs,
        random_state=options.seed,
    )
    return model.fit(X, y, None, progress, negatives, on_epoch, training.images)


def provenance(result: TrainingResult, digest: str, split: str) -> dict[str, Any]:
    """What a models.pkl says of where it comes from.

    Parameters
    ----------
    result : TrainingResult
    digest : str
        Of the training images.
    split : str
        Which of them were held out.
    """
    return {
        "dataset": result.dataset,
        "digest": digest,
        "split": split,
        "samples": result.samples,
        "options": result.options,
        "validation_accuracy": result.validation_accuracy,
        "test_accuracy": result.test_accuracy,
        "seconds": round(result.seconds, 1),
        **stamp("numpy", "scikit-learn"),
    }


def _check_samples(y: Array, n_fit: int) -> None:
    """Refuse too few images, or a digit that is missing where it is needed."""
    if len(y) < MIN_SAMPLES:
        raise DigitsError(f"{len(y)} training images are too few; give at least {MIN_SAMPLES}")
    missing = sorted(set(range(10)) - set(y[:n_fit].tolist()))
    if missing:
        digits = ", ".join(map(str, missing))
        raise DigitsError(
            f"the first {n_fit} training images hold no digit {digits}; "
            "a detector cannot learn a digit that does not occur: give more images"
        )
