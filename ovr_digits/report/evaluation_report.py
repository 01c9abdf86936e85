"""The report of an evaluation: its pictures, and one page of HTML that holds them all."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovr_digits.core.arrays import Float64, Indices
from ovr_digits.core.evaluation import (
    Evaluation,
    PrecisionRecall,
    Reliability,
    evaluate_scores,
    find_mistakes,
    find_unsure,
    measure_reliability,
    precision_recall_curves,
    truth_leads,
)
from ovr_digits.core.vote import SCORE_SPAN
from ovr_digits.data.splits import Split
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable, replacing
from ovr_digits.markup import Html, tag
from ovr_digits.models.stamp import stamp
from ovr_digits.progress import Progress, percent
from ovr_digits.report import html as page
from ovr_digits.report.samples import SampleAnswer, pair_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The files of a report; the page comes last.
FILES = (
    *("confusion.png", "digits.png", "detectors.png", "votes.png"),
    *("mistakes.png", "unsure.png", "report.html"),
)
#: The most samples that a gallery shows; of a model that is no good there are thousands.
MAX_SHOWN = 300

_SILENT = Progress()


def make_report(
    split: Split,
    scores: Float64,
    name: str,
    models: Mapping[str, Any],
    progress: Progress = _SILENT,
) -> dict[str, bytes]:
    """Draw the report on the votes on a data set: the content of each of ``FILES``.

    ``scores`` (n, 10) are the detectors' log-odds for the images of the split, ``name`` is what
    the set is called, as in "MNIST test set", and ``models`` tells where the detectors come from.
    """
    # Half a second, which a folder that cannot be written need not wait for.
    from ovr_digits.report.plots import evaluation as plots
    from ovr_digits.report.plots.style import png_bytes

    files: dict[str, bytes] = {}
    progress.stage("drawing the report", len(FILES) - 1)

    def draw(file: str, plot: Callable[..., Figure], *what: object) -> Html:
        files[file] = png_bytes(plot(*what))
        progress.advance()
        return page.figure(files[file], str(what[-1]))

    def show(kind: str, indices: Indices, finding: str) -> tuple[Html, ...]:
        if len(indices) > MAX_SHOWN:
            finding += f" (the worst {MAX_SHOWN}; {len(indices) - MAX_SHOWN:,} are left out)"
        shown = indices[:MAX_SHOWN]
        answers = pair_samples(split.X, split.y, shown, scores[shown])
        leads = truth_leads(scores, split.y)[shown].tolist()
        captions = [_caption(a, lead) for a, lead in zip(answers, leads, strict=True)]
        draw(f"{kind}.png", plots.plot_gallery, answers, captions, finding)
        heading = tag("p", tag("strong", finding))
        if not answers:
            return (heading,)
        return heading, _GALLERY_TEXT, page.gallery(kind, answers, captions)

    result = evaluate_scores(scores, split.y)
    calibration = measure_reliability(scores, split.y)
    off = percent(calibration.calibration_error)
    curves = precision_recall_curves(scores, split.y)
    made = stamp("numpy", "matplotlib")
    body = (
        tag("h1", f"{percent(result.accuracy)} of {result.samples:,} digits are read correctly"),
        tag("p", f"{name}, {made['created'][:10]}", class_="soft"),
        page.facts(
            {
                "accuracy": percent(result.accuracy),
                "wrong answers": f"{result.errors:,}",
                "no detector fired": f"{result.fired_none:,}",
                "several fired": f"{result.fired_several:,}",
                "votes are off by": off,
            },
            class_="tiles",
        ),
        page.contents(_HEADINGS),
        _section(
            "confusion",
            "Rows are the true digits, columns the answers. Right answers are grey, mistakes "
            "tinted: the stronger, the more there are.",
            draw(
                "confusion.png", plots.plot_confusion, result.confusion, confusion_finding(result)
            ),
            tag("details", tag("summary", "The same as a table"), _confusion_table(result)),
        ),
        _section(
            "digits",
            "Precision is the share of right answers among the images read as the digit, recall "
            "the share of its images that are read as it. F1 is their harmonic mean. The table "
            "gives them in %.",
            draw("digits.png", plots.plot_digit_scores, result.per_digit, digits_finding(result)),
            _digits_table(result),
        ),
        _section(
            "detectors",
            "Each detector only says whether it sees its own digit. The line shows what all "
            "thresholds on its score would give, the dot the one that it has: it fires above "
            "score 0, a vote of 50 %. The area below the whole line, of which the picture "
            "may show only the end, is the average precision.",
            draw("detectors.png", plots.plot_precision_recall, curves, detectors_finding(curves)),
        ),
        _section(
            "votes",
            "Of all votes near 80 %, 80 % should be right. The number at a point tells how many "
            "votes there are of that height, and the line through it where the share may lie with "
            "so few (Wilson's interval, 95 %).",
            draw("votes.png", plots.plot_reliability, calibration, votes_finding(calibration)),
        ),
        _section(
            "mistakes",
            *show(
                "mistakes",
                find_mistakes(scores, split.y),
                f"{result.errors:,} of {result.samples:,} images are misread",
            ),
        ),
        _section(
            "unsure",
            *show(
                "unsure",
                find_unsure(scores, split.y),
                f"Of {result.samples:,} images no detector fires on {result.fired_none:,}, "
                f"several on {result.fired_several:,}",
            ),
        ),
        _section(
            "provenance",
            tag("h3", "The models"),
            page.facts(models),
            tag("h3", "The data"),
            page.facts(
                {
                    "set": name,
                    "source": split.source,
                    "images": f"{len(split):,}",
                    "SHA-256 of images and labels": split.digest,
                }
            ),
            tag("h3", "This report"),
            page.facts(made),
        ),
    )
    title = f"{percent(result.accuracy)} on the {name}"
    return files | {FILES[-1]: page.page(title, *body).encode(errors="backslashreplace")}


_HEADINGS = {
    "confusion": "Which digits are confused",
    "digits": "Each digit",
    "detectors": "Each detector alone",
    "votes": "How far votes can be believed",
    "mistakes": "Mistakes",
    "unsure": "No detector or several fired",
    "provenance": "Where this comes from",
}

#: Parts that stand beside one another where the window is wide.
_BESIDE = ("confusion", "digits", "detectors", "votes")

_GALLERY_TEXT = tag(
    "p",
    "Worst first: where the truth's score is furthest behind the best other score. The bars are "
    f"the ten scores, in log-odds from −{SCORE_SPAN:.0f} to +{SCORE_SPAN:.0f}, and the numbers the "
    "votes, ",
    *(
        part
        for role, text in (
            ("truth", "for the truth"),
            ("wrong", "for the wrong answer"),
            ("fired", "of others that fired"),
        )
        for part in (tag("span", text, class_=f"key {role}"), ", ")
    ),
    "with a line at 0, above which a detector fires. A bar that goes on beyond the scale ends in "
    "an arrow.",
)


def _section(name: str, *content: Html | str) -> Html:
    """A part of the page under its heading; what is plain text becomes a paragraph."""
    parts = (part if isinstance(part, Html) else tag("p", part) for part in content)
    place = {"class_": "beside"} if name in _BESIDE else {}
    return tag("section", tag("h2", _HEADINGS[name]), *parts, id=name, **place)


def _confusion_table(result: Evaluation) -> Html:
    rows = [[digit, *row] for digit, row in enumerate(result.confusion.tolist())]
    return page.table(["", *map(str, range(10))], rows)


def _digits_table(result: Evaluation) -> Html:
    return page.table(
        ["digit", "images", "answers", "right", "precision", "recall", "F1"],
        [
            [s.digit, s.true, s.answered, s.right]
            + [f"{100 * share:.2f}" for share in (s.precision, s.recall, s.f1)]
            for s in result.per_digit
        ],
    )


def _caption(answer: SampleAnswer, lead: float) -> str:
    fired = ", ".join(map(str, answer.vote.fired)) or "none"
    only = "only " if len(answer.vote.fired) == 1 else ""
    said = "right" if answer.correct else f"read as {answer.vote.digit}"
    place = f"{abs(lead):.1f} {'ahead' if answer.correct else 'behind'}"
    return f"#{answer.index}: {answer.label} {said}\n{only}{fired} fired\ntruth {place}"


# --- what there is to see ------------------------------------------------------------------------


def confusion_finding(result: Evaluation) -> str:
    """Which digit is taken for which most often."""
    if not result.confused:
        return "No digit is taken for another"
    most = result.confused[0][2]
    pairs = [f"{true} for {answer}" for true, answer, count in result.confused if count == most]
    if len(pairs) > 3:
        return f"No digit is taken for another more than {_times(most)}"
    first, *others = pairs
    said = " and ".join([first.replace(" for", " is taken for"), *others])
    return f"{said} most often: {_times(most)}{' each' if others else ''}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def digits_finding(result: Evaluation) -> str:
    """Which digit is the hardest, and which the easiest."""
    hardest, *_, easiest = sorted(result.per_digit, key=lambda s: s.f1)
    if math.isclose(hardest.f1, easiest.f1):
        return f"Every digit has the same F1: {percent(easiest.f1)}"
    return (
        f"{hardest.digit} is the hardest digit: F1 {percent(hardest.f1)}; "
        f"{easiest.digit} the easiest: {percent(easiest.f1)}"
    )


def detectors_finding(curves: Sequence[PrecisionRecall]) -> str:
    """Which detector is the weakest."""
    weakest, *_, strongest = sorted(curves, key=lambda curve: curve.area)
    if math.isclose(weakest.area, strongest.area):
        return f"Every detector has the same average precision: {percent(strongest.area, 3)}"
    return (
        f"The detector of {weakest.digit} is the weakest: "
        f"average precision {percent(weakest.area, 3)}"
    )


def votes_finding(calibration: Reliability) -> str:
    """How far votes are off, and what those say that are neither near 0 nor near 100 %."""
    finding = f"On average votes are off by {percent(calibration.calibration_error)}"
    counts = calibration.counts
    between = slice(1, -1)
    n_between = int(counts[between].sum())
    share = percent(1 - n_between / counts.sum())
    said = f"{finding}:\n{share} of them are near 0 or 100 %"
    if not n_between:
        return said
    filled = counts[between] > 0
    weights = counts[between][filled] / n_between
    vote, right = (
        float(weights @ values[between][filled])
        for values in (calibration.votes, calibration.shares)
    )
    return (
        f"{said}.\nThe other {n_between:,} say {percent(vote, 0)} in the mean; "
        f"{percent(right, 0)} were right"
    )


# --- the folder ----------------------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """Find out before the work, not after it, that a report has no place to go; DigitsError."""
    try:
        if folder.is_dir():
            for name in FILES:
                check_writable(folder / name)
        elif os.path.lexists(folder):
            raise DigitsError(f"{folder}: not a folder; name another")
        else:
            check_writable(folder)
    except OSError as error:
        raise DigitsError(f"{folder}: cannot be written ({error.strerror})") from None


def write_report(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a report into a folder, which is made where it is not there.

    All are written beside their places before the first takes its place: where that fails, with
    a DigitsError, nothing there has been replaced.
    """
    try:
        is_new = not folder.is_dir()
        folder.mkdir(exist_ok=True)
        try:
            with ExitStack() as stack:
                for name in reversed(list(files)):  # those that are begun last are ended first
                    path = stack.enter_context(replacing(folder / name))
                    path.write_bytes(files[name])
        except BaseException:
            if is_new:
                with suppress(OSError):
                    folder.rmdir()
            raise
    except OSError as error:
        raise DigitsError(f"{folder}: cannot be written ({error.strerror or error})") from None
