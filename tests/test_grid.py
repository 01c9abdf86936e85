"""``test --save``: the grid of digits with their votes shows what the answers say."""

from __future__ import annotations

import numpy as np
import pytest
from commandline import objects
from matplotlib.colors import to_hex
from PIL import Image

from ovr_digits import load_models
from ovr_digits.core.vote import count_votes
from ovr_digits.data.splits import load_split
from ovr_digits.report.plots.answers import plot_votes
from ovr_digits.report.plots.style import columns_of
from ovr_digits.report.samples import SampleAnswer, answer_samples

BLUE, ORANGE = "#0072B2", "#D55E00"
COUNT = 25


@pytest.fixture(scope="module")
def answers(tiny_models) -> list[SampleAnswer]:
    """Twenty-five answers, five of which are wrong."""
    split, models = load_split("digits", "test"), load_models(tiny_models)
    right = models.decision_function(split.X).argmax(axis=1) == split.y
    chosen = [*np.flatnonzero(right)[:20], *np.flatnonzero(~right)[:5]]
    found = answer_samples(models, split.X, split.y, map(int, chosen))
    assert [answer.correct for answer in found] == [True] * 20 + [False] * 5
    return found


def colour(spine: object) -> str:
    return to_hex(spine.get_edgecolor()).upper()


def test_every_score_vote_and_frame_tells_its_answer(answers):
    figure = plot_votes(
        [answer.image for answer in answers],
        [answer.vote for answer in answers],
        [f"#{answer.index}" for answer in answers],
        [answer.label for answer in answers],
        "20 of 25 right",
    )
    assert figure.get_suptitle() == "20 of 25 right"
    assert len(figure.axes) == 2 * COUNT  # five by five, and no cell is empty
    for answer, picture, bars in zip(answers, figure.axes[::2], figure.axes[1::2], strict=True):
        np.testing.assert_array_equal(picture.images[0].get_array(), answer.image)
        widths = [bar.get_width() for bar in bars.patches]
        np.testing.assert_allclose(widths, np.clip(answer.vote.scores, -20, 20))
        assert {bar.get_x() for bar in bars.patches} == {0}  # from the threshold
        winner = to_hex(bars.patches[answer.vote.digit].get_facecolor()).upper()
        assert winner == (BLUE if answer.correct else ORANGE)
        assert (colour(picture.spines["top"]) == ORANGE) == (not answer.correct)
        marked = [text.xy[1] for text in bars.texts if text.get_text() == "the truth"]
        assert marked == ([] if answer.correct else [answer.label])
        said = [text for text in bars.texts if "%" in text.get_text()]
        assert [text.get_text() for text in said] == [f"{100 * v:.1f} %" for v in answer.vote.votes]
        fired = [k for k, text in enumerate(said) if text.get_weight() == "bold"]
        assert fired == list(answer.vote.fired)


def test_all_pictures_have_one_scale_and_what_is_beyond_it_ends_in_an_arrow():
    near, far = np.full(10, -9.0), np.full(10, -9.0)
    near[3], far[3], far[4] = 0.5, 30.0, -25.0
    image = np.zeros((28, 28), np.uint8)
    figure = plot_votes([image, image], count_votes(np.stack([near, far])), ["near", "far"])
    near_bars, far_bars = figure.axes[1], figure.axes[3]
    assert near_bars.get_xlim() == far_bars.get_xlim()
    arrows = {(line.get_ydata()[0], line.get_marker()) for line in far_bars.lines[1:]}
    assert arrows == {(3, ">"), (4, "<")}
    assert len(near_bars.lines) == 1  # the threshold
    assert set(near_bars.lines[0].get_xdata()) == {0}


@pytest.mark.parametrize("count", [1, 10])  # large, and small as all that are many
def test_no_vote_is_written_over_a_bar(count):
    votes = count_votes(np.where(np.arange(10) == 3, 30.0, -9.0)[None])
    figure = plot_votes([np.zeros((28, 28), np.uint8)] * count, votes * count, ["far"] * count)
    figure.draw_without_rendering()
    bars = figure.axes[1]
    longest = max(patch.get_window_extent().x1 for patch in bars.patches)
    shares = [text for text in bars.texts if "%" in text.get_text()]
    assert len(shares) == 10
    assert min(text.get_window_extent().x0 for text in shares) > longest


@pytest.mark.parametrize("count", range(1, 41))
def test_a_grid_has_few_holes_and_no_empty_row(count):
    columns = columns_of(count, count**0.5)
    n_rows = -(-count // columns)
    assert 0 <= columns * n_rows - count < columns
    assert n_rows <= 2 * columns + 1


def test_the_command_colours_what_is_wrong(run, answers, tiny_models, tmp_path):
    options = ["test", "--dataset", "digits", "--models", tiny_models]
    for answer in (answers[0], answers[-1]):
        path = tmp_path / f"{answer.index}.png"
        assert run(*options, "--index", answer.index, "--save", path).returncode == 0
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        orange = (pixels == tuple(bytes.fromhex(ORANGE[1:]))).all(axis=1).sum()
        assert (orange > 500) if not answer.correct else orange == 0


def test_the_command_puts_the_finding_on_top(run, tiny_models, tmp_path):
    path = tmp_path / "grid.svg"
    options = ["test", "--dataset", "digits", "--models", tiny_models]
    options += ["--count", COUNT, "--seed", 3]
    said = run(*options, "--save", path).stdout
    n_right = sum(sample["correct"] for sample in objects(run(*options, "--json")))
    finding = f"{n_right} of 25 right"
    assert said.splitlines()[-1] == finding
    assert f"<!-- {finding}: samples of the digits test set -->" in path.read_text()
