"""The run that adapts a models.pkl to one person's hand, and says what that gained and cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float64, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.corrections import FILE_NAME, NO_DIGIT, load_corrections
from ovr_digits.data.hands import ALL, Hands, find_hands
from ovr_digits.data.reviews import TABLE_NAME, load_review
from ovr_digits.data.splits import Dataset, load_split
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable
from ovr_digits.learn.adaptation import AdaptationOptions, adapt_detectors
from ovr_digits.learn.detectors import detector_arrays
from ovr_digits.models.modelfile import load_models, save_models
from ovr_digits.models.place import find_models
from ovr_digits.models.stamp import stamp
from ovr_digits.parallel import collect
from ovr_digits.progress import Progress, percent

#: Of a result, where files lay: nobody's business who is given the models.
_PLACES = ("output", "models")
#: Adaptations that models tell of one by one; what they tell of themselves may not grow for ever.
_TOLD = 50
#: Training images that are not rehearsed, so that what adapting costs shows on them: at most
#: so many, and at most a third of all.
_HELD_OUT = 5000
#: The share of these whose answers may be lost before the models are not worth having.
_MAX_LOSS = 0.003


@dataclass(frozen=True)
class RetrainingOptions:
    """What the person can choose.

    Attributes
    ----------
    corrections : Path
        Folder of kept corrections, or the file that a page has saved.
    models : Path, optional
        The models.pkl to begin from; default: see ``modelplace.find_models``.
    output : Path
        The models.pkl to write.
    dataset : "mnist" or "digits", optional
        What is rehearsed; default: what the models were trained on.
    data_dir : Path, optional
        Folder of the MNIST files; default: see ``data.load_split``.
    seed : int
    n_jobs : int
        Cores; -1 is all.
    accept_loss : bool
        Write the models even if much is lost on what was learnt before.
    """

    corrections: Path
    models: Path | None = None
    output: Path = Path("models.pkl")
    dataset: Dataset | None = None
    data_dir: Path | None = None
    seed: int = 0
    n_jobs: int = -1
    accept_loss: bool = False


@dataclass(frozen=True)
class RetrainingResult:
    """What was learnt from and what came of it; accuracies are shares in 0..1.

    ``kept`` counts the pictures of each digit, and ``kept_no_digit`` those of none, which are right
    where no detector fires. ``left_out_accuracy`` is that on kept pictures by detectors that learnt
    from others of them, ``held_out_accuracy`` that on training images that were not rehearsed.
    """

    output: Path
    models: Path
    dataset: Dataset
    source: str
    kept: tuple[int, ...]
    kept_no_digit: int
    rehearsed: int
    kept_accuracy: float
    left_out_accuracy: float
    held_out_samples: int
    old_held_out_accuracy: float
    held_out_accuracy: float
    test_samples: int
    old_test_accuracy: float
    test_accuracy: float
    seconds: float
    seed: int
    accept_loss: bool
    rehearsed_hands: tuple[str, ...]
    missing_hands: tuple[str, ...]

    @property
    def n_kept(self) -> int:
        """Corrections that were learnt from."""
        return sum(self.kept) + self.kept_no_digit

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "output": str(self.output),
            "models": str(self.models),
            "dataset": self.dataset,
            "samples": self.n_kept + self.rehearsed,
            "kept": list(self.kept),
            "kept_no_digit": self.kept_no_digit,
            "rehearsed": self.rehearsed,
            "kept_accuracy": round(self.kept_accuracy, 6),
            "left_out_accuracy": round(self.left_out_accuracy, 6),
            "validation_accuracy": round(self.held_out_accuracy, 6),
            "old_test_accuracy": round(self.old_test_accuracy, 6),
            "test_accuracy": round(self.test_accuracy, 6),
            "rehearsed_hands": list(self.rehearsed_hands),
            "missing_hands": list(self.missing_hands),
            "seconds": round(self.seconds, 2),
            "options": {"seed": self.seed, "accept_loss": self.accept_loss},
        }


def retrain(options: RetrainingOptions, progress: Progress | None = None) -> RetrainingResult:
    """Let the detectors of a models.pkl learn from kept corrections, and write the result.

    The images that are rehearsed are training images, and of the other people's hands that the
    models learnt from those that are at hand. Other training images, held out, show whether
    adapting costs too much; the test set is only measured on.

    Raises
    ------
    DigitsError
        Where there are no corrections, models or data, where adapting costs more
        than 0.3 points of accuracy and that is not accepted, or the output cannot
        be written; an output that was there before is untouched then.
    """
    progress = progress or Progress()
    check_writable(options.output)
    started = time.perf_counter()
    path = find_models(options.models)
    models = load_models(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept, labels = _load_kept(options.corrections, models, progress)
    trained_on: Dataset = "digits" if models.provenance.get("dataset") == "digits" else "mnist"
    dataset = options.dataset or trained_on
    train = load_split(dataset, "train", options.data_dir, progress)
    test = load_split(dataset, "test", options.data_dir, progress)
    order = np.random.RandomState(options.seed).permutation(len(train))
    held_out, rehearsed = np.split(order, [min(_HELD_OUT, len(train) // 3)])

    names = [str(name) for name in models.provenance.get("options", {}).get("hands", ())]
    hands = {name: find_hands(name, options.data_dir) if name in ALL else None for name in names}
    at_hand = [other for other in hands.values() if other is not None]
    how = AdaptationOptions(seed=options.seed)
    adapted = adapt_detectors(
        models,
        (kept, labels),
        _rehearsal((train.X[rehearsed], train.y[rehearsed]), at_hand, how, progress),
        how,
        options.n_jobs,
        progress,
    )
    kept, labels = kept[-adapted.n_kept :], labels[-adapted.n_kept :]
    new = detector_arrays(adapted.detectors)
    both = replace(
        models,
        coef=np.concatenate([models.coef, new.coef]),
        intercept=np.concatenate([models.intercept, new.intercept]),
    )

    def accuracies(X: Array, y: Array, name: str) -> list[float]:
        """Before and after."""
        progress.stage(f"voting on {name}", len(X))
        scores = collect(both.decision_function, X, options.n_jobs, progress.advance)
        return [float((part.argmax(axis=1) == y).mean()) for part in np.split(scores, 2, axis=1)]

    was, now = accuracies(train.X[held_out], train.y[held_out], "training images held out")
    if was - now > _MAX_LOSS and not options.accept_loss:
        raise DigitsError(
            f"adapting would lower the accuracy on {len(held_out):,} training images that were "
            f"held out from {percent(was)} to {percent(now)}; {options.output} is left as it was: "
            f"see whether the corrections in {options.corrections} are right, "
            "or go on with --accept-loss"
        )
    old_accuracy, accuracy = accuracies(test.X, test.y, "the test set")
    before = models.decision_function(kept)
    result = RetrainingResult(
        output=options.output,
        models=path,
        dataset=dataset,
        source=train.source,
        kept=tuple(np.bincount(labels, minlength=NO_DIGIT)[:NO_DIGIT].tolist()),
        kept_no_digit=int((labels == NO_DIGIT).sum()),
        rehearsed=adapted.n_rehearsal,
        kept_accuracy=_share_right(before, labels),
        left_out_accuracy=_share_right(adapted.left_out_scores, labels),
        test_samples=len(test),
        held_out_samples=len(held_out),
        old_held_out_accuracy=was,
        held_out_accuracy=now,
        old_test_accuracy=old_accuracy,
        test_accuracy=accuracy,
        seconds=time.perf_counter() - started,
        seed=options.seed,
        accept_loss=options.accept_loss,
        rehearsed_hands=tuple(other.name for other in at_hand),
        missing_hands=tuple(name for name, other in hands.items() if other is None),
    )
    provenance = dict(models.provenance)
    if dataset == provenance.get("dataset"):
        provenance["test_accuracy"] = accuracy
    entry = {
        "models_digest": digest,
        "rehearsal_digest": train.digest,
        **{name: value for name, value in result.as_json().items() if name not in _PLACES},
        **stamp("numpy", "scikit-learn"),
    }
    provenance = with_adaptation(provenance, entry)
    for detector in adapted.detectors:
        detector.provenance_ = provenance
    save_models(adapted.detectors, options.output)
    return result


def _share_right(scores: Float64, labels: Array) -> float:
    """The share of kept pictures whose digit wins, or on which no detector fires."""
    answers = np.where((labels == NO_DIGIT) & (scores <= 0).all(axis=1), NO_DIGIT, scores.argmax(1))
    return float((answers == labels).mean())


def _rehearsal(
    training: tuple[Grey, Grey],
    hands: Sequence[Hands],
    options: AdaptationOptions,
    progress: Progress,
) -> tuple[Grey, Grey]:
    """Shuffled training images and labels, and as large a share of other people's digits."""
    X, y = training
    if not hands:
        return X, y
    share = min(1, options.n_rehearsal / (len(y) + sum(map(len, hands))))
    n = round(share * len(y))
    images, labels = [X[:n]], [y[:n]]
    for other in hands:
        order = np.random.RandomState(options.seed).permutation(len(other))
        rows = np.sort(order[: round(share * len(other))])
        images.append(other.images(0, options.seed, rows, progress=progress))
        labels.append(other.y[rows])
    return np.concatenate(images), np.concatenate(labels)


def _load_kept(folder: Path, models: DetectorArrays, progress: Progress) -> tuple[Grey, Array]:
    """What was kept in a folder, and what was typed there: images (n, 784), and their labels."""
    kept = []
    has_typed = (folder / TABLE_NAME).is_file()
    if has_typed:
        kept.append(load_review(folder, models, progress.note, progress))
    if not has_typed or (folder / FILE_NAME).is_file():
        kept.append(load_corrections(folder, progress.note, progress))
    X, y = zip(*kept, strict=True)
    return np.concatenate(X), np.concatenate(y)


def with_adaptation(provenance: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """What adapted models tell of themselves: of the latest adaptations each, of others a count.

    Parameters
    ----------
    provenance : mapping
        Of the models that were adapted.
    entry : mapping
        What is told of this adaptation.
    """
    adaptations = [*provenance.get("adaptations", []), dict(entry)]
    earlier = provenance.get("earlier_adaptations", 0) + len(adaptations[:-_TOLD])
    told = {**provenance, "adaptations": adaptations[-_TOLD:]}
    return told | ({"earlier_adaptations": earlier} if earlier else {})
