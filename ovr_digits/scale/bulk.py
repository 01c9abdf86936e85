"""Bulk prediction: the answers to all digits of a source, on many workers, as one Parquet file."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import VERDICTS, probabilities, verdict_places
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable, is_same_file
from ovr_digits.models.modelfile import load_with_bytes
from ovr_digits.models.place import find_models
from ovr_digits.progress import Progress, counted
from ovr_digits.scale.answers_file import Shards
from ovr_digits.scale.arrow import pa, pc
from ovr_digits.scale.engine.opening import open_engine
from ovr_digits.scale.sources.opening import is_part_of, open_source
from ovr_digits.scale.sources.pieces import NO_DIGIT, Piece
from ovr_digits.version import __version__

#: How many pictures that could not be read are named; the file has them all.
MAX_LISTED = 20

#: A shard is written when it has so many pieces, or is so many seconds old.
_SHARD_PIECES = 64
_SHARD_SECONDS = 5.0


@dataclass(frozen=True)
class BulkResult:
    """What came of a bulk prediction.

    Attributes
    ----------
    output : Path
    source : str
        As people know it.
    digits, earlier, errors : int
        All of the source; those that an earlier run had finished, and that could not be read.
    listed : sequence of str
        The first ``MAX_LISTED`` that could not be read, each in a line.
    labelled, right : int or None
        Answers to digits with a label, and how many of them are right; None
        where the source has no labels.
    seconds : float
    """

    output: Path
    source: str
    digits: int
    earlier: int
    errors: int
    listed: Sequence[str]
    labelled: int | None
    right: int | None
    seconds: float

    @property
    def per_second(self) -> float:
        """Digits that were answered each second."""
        return (self.digits - self.earlier) / self.seconds

    @property
    def accuracy(self) -> float | None:
        """Share of right answers in 0..1, where there are labels."""
        return self.right / self.labelled if self.labelled and self.right is not None else None

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "output": str(self.output),
            "source": self.source,
            "digits": self.digits,
            "earlier": self.earlier,
            "errors": self.errors,
            "accuracy": None if self.accuracy is None else round(self.accuracy, 6),
            "seconds": round(self.seconds, 3),
            "per_second": round(self.per_second, 1),
        }


def predict_batch(
    path: Path,
    output: Path,
    models: Path | None = None,
    n_jobs: int = -1,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> BulkResult:
    """Answer every digit of a source, and write the answers as a Parquet file.

    The finished part lies in a folder beside the file until all is done; the
    next call with the same source, models and output goes on from there. What
    cannot be read has a line that says so in the column ``error``, and the rest
    is answered all the same.

    Parameters
    ----------
    path : Path
        The source, see ``open_source``.
    output : Path
        An older file there is replaced when all is done.
    models : Path, optional
        Default: see ``find_models``.
    n_jobs, scheduler :
        See ``open_engine``.
    progress : Progress, optional

    Raises
    ------
    DigitsError
        Where source or models cannot be read or the output cannot be written,
        where the folder holds other work, and where the workers fail.
    """
    progress = progress or Progress()
    source = open_source(path, labelled=False)
    if source.unused_labels:
        progress.note(f"labels are not used: {source.unused_labels}")
    if output.resolve().is_relative_to(path.resolve()) or is_part_of(output, path):
        raise DigitsError(f"{output}: lies in what is to be read; name an --output outside of it")
    check_writable(output)
    models = find_models(models)
    if is_same_file(output, models):
        raise DigitsError(f"{output}: holds the models that are to vote; name another --output")
    content, detectors = load_with_bytes(models)
    digest = hashlib.sha256(content).hexdigest()
    shards = Shards(output, _schema(source.has_labels))
    request = {"source": source.digest, "models.pkl": digest, "version of ovr-digits": __version__}
    started = time.monotonic()
    with shards.opened(request):
        lengths = [piece.n for piece in source.pieces]
        missing = shards.missing(lengths)
        n_missing = sum(lengths[number] for number in itertools.chain(*missing))
        if n_missing < source.n:
            progress.note(f"going on after {source.n - n_missing:,} of {source.n:,} digits")
        if missing:
            progress.stage(f"voting on {counted(n_missing, 'digit')}", n_missing)
            with open_engine(n_jobs, scheduler) as engine:
                shared, numbers = engine.share(detectors), itertools.chain(*missing)
                tasks = ((shared, source.pieces[number]) for number in itertools.chain(*missing))
                # Closed here, or else an interrupt could end us before the workers.
                with contextlib.closing(engine.run(answer_piece, tasks)) as tables:
                    for first, run in _in_shards(zip(numbers, tables, strict=True), progress):
                        shards.write(first, run)
        progress.stage("putting the file together", source.n)
        tally = _Tally(progress)
        shards.merge(tally.count)
        shards.remove()
    return BulkResult(
        output=output,
        source=source.name,
        digits=source.n,
        earlier=source.n - n_missing,
        errors=tally.errors,
        listed=tally.listed,
        labelled=tally.labelled if source.has_labels else None,
        right=tally.right if source.has_labels else None,
        seconds=time.monotonic() - started,
    )


def _in_shards(
    tables: Iterable[tuple[int, pa.Table]], progress: Progress
) -> Iterator[tuple[int, list[pa.Table]]]:
    """Numbered tables in runs of consecutive numbers, with the first of them."""
    run: list[pa.Table] = []
    first, begun = 0, time.monotonic()
    for number, table in tables:
        is_late = time.monotonic() - begun > _SHARD_SECONDS
        if run and (number != first + len(run) or len(run) == _SHARD_PIECES or is_late):
            yield first, run
            run, begun = [], time.monotonic()
        if not run:
            first = number
        run.append(table)
        progress.advance(len(table))
    if run:
        yield first, run


# --- on the workers ---------------------------------------------------------------------------


def answer_piece(models: DetectorArrays, piece: Piece) -> pa.Table:
    """Read a piece, and let the ten detectors vote on what could be read: rows of the file.

    The names of files are each there once, so that little travels back.
    """
    reading = piece.read()
    n, failed = len(reading.X), ~reading.is_read
    scores = np.zeros((n, 10))
    scores[~failed] = models.decision_function(reading.X[~failed])
    digits, votes = scores.argmax(axis=1).astype(np.int8), probabilities(scores)
    n_fired = (scores > 0).sum(axis=1)
    ends = np.concatenate([[0], n_fired.cumsum()]).astype(np.int32)
    rows = np.array([-1 if row is None else row for _, row in reading.places], np.int64)
    columns = {
        "file": pa.array([name for name, _ in reading.places]).dictionary_encode(),
        "row": pa.array(rows, mask=rows < 0),
        "digit": pa.array(digits, mask=failed),
        "confidence": pa.array(votes.max(axis=1).astype(np.float32), mask=failed),
        "verdict": pa.DictionaryArray.from_arrays(
            pa.array(verdict_places(n_fired).astype(np.int32), mask=failed), list(VERDICTS)
        ),
        "fired": pa.ListArray.from_arrays(
            pa.array(ends),
            pa.array(np.nonzero(scores > 0)[1].astype(np.int8)),
            mask=pa.array(failed),
        ),
        # Few readers of Parquet know of lists of fixed length that are not there.
        "votes": pa.FixedSizeListArray.from_arrays(
            pa.array(votes.astype(np.float32).ravel(), mask=failed.repeat(10)), 10
        ),
        "error": pa.array([reading.errors.get(k) for k in range(n)], pa.string()),
    }
    if reading.y is not None:
        columns["label"] = pa.array(reading.y.astype(np.int8), mask=reading.y == NO_DIGIT)
    names = _schema(reading.y is not None).names
    return pa.table([columns[name] for name in names], names)


def _schema(has_labels: bool) -> pa.Schema:
    """The columns of the file."""
    return pa.schema(
        [
            ("file", pa.string()),
            ("row", pa.int64()),
            *([("label", pa.int8())] if has_labels else []),
            ("digit", pa.int8()),
            ("confidence", pa.float32()),
            # As every pyarrow reads them again.
            ("verdict", pa.dictionary(pa.int32(), pa.string())),
            ("fired", pa.list_(pa.field("element", pa.int8()))),
            ("votes", pa.list_(pa.field("element", pa.float32()), 10)),
            ("error", pa.string()),
        ]
    )


# --- all together -----------------------------------------------------------------------------


class _Tally:
    """Counts what is in the finished file as it goes by."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.errors = self.labelled = self.right = 0
        self.listed: list[str] = []

    def count(self, table: pa.Table) -> None:
        """Take another part of the file into account."""
        self._progress.advance(len(table))
        failed = table.filter(pc.is_valid(table["error"]))
        self.errors += len(failed)
        some = failed.slice(0, MAX_LISTED - len(self.listed)).select(["file", "row", "error"])
        for line in some.to_pylist():
            row = "" if line["row"] is None else f", row {line['row']}"
            self.listed.append(f"{line['file']}{row}: {line['error']}")
        if "label" in table.column_names:
            is_right = pc.equal(table["label"], table["digit"])
            self.labelled += len(table) - is_right.null_count
            self.right += pc.sum(is_right, min_count=0).as_py()
