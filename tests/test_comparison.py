"""``compare``: two models.pkl on the same images, and what may be said of the difference."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from commandline import assert_nothing_done, call, objects
from PIL import Image
from scipy.stats import binomtest

from ovr_digits.core.evaluation import Comparison, compare_scores, mcnemar_test
from ovr_digits.report.plots.evaluation import plot_differences

pytestmark = pytest.mark.xdist_group("comparison")

QUICK = ["--dataset", "digits", "--limit", "100", "--forms", "0"]
QUICK += ["--epochs", "1", "--preset", "fast"]


@pytest.fixture(scope="module")
def two(tmp_path_factory, tiny_models) -> tuple[Path, Path]:
    """Two models.pkl that differ, the second badly trained on a few of the bundled digits."""
    path = tmp_path_factory.mktemp("two") / "new.pkl"
    done = call("train", *QUICK, "--output", path, folder=path.parent)
    assert done.returncode == 0, done.stderr
    return tiny_models, path


# --- the test ----------------------------------------------------------------------------------


def test_mcnemar_by_hand():
    assert mcnemar_test(0, 0) == 1
    assert mcnemar_test(0, 5) == 2 / 32
    assert mcnemar_test(1, 5) == 2 * 7 / 64
    assert mcnemar_test(4, 4) == 1
    assert mcnemar_test(12, 9) == pytest.approx(0.6636, abs=5e-5)


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 1), (3, 9), (9, 12), (25, 26), (86, 150), (700, 900), (40, 4000)]
)
def test_mcnemar_as_scipy_has_it(only_a, only_b):
    wanted = binomtest(only_a, only_a + only_b).pvalue
    assert mcnemar_test(only_a, only_b) == pytest.approx(wanted, rel=1e-9)
    assert mcnemar_test(only_b, only_a) == mcnemar_test(only_a, only_b)


# --- counting ----------------------------------------------------------------------------------


def scores_of(*answers: int, score: float = 1.0) -> np.ndarray:
    scores = np.full((len(answers), 10), -1.0)
    scores[np.arange(len(answers)), answers] = score
    return scores


def compared(only_a: int, only_b: int) -> Comparison:
    """A comparison with so many images that one alone gets right, all of them threes."""
    n = only_a + only_b + 1
    a, b = np.full(n, 3), np.full(n, 3)
    b[:only_a], a[only_a : only_a + only_b] = 5, 8
    return compare_scores(scores_of(*a), scores_of(*b), np.full(n, 3))


def test_counts():
    labels = np.array([0, 1, 2, 3, 4, 5], np.uint8)
    b = scores_of(0, 7, 8, 3, 4, 6)
    b[3, 3] = -0.5  # right, though it does not fire
    found = compare_scores(scores_of(0, 1, 8, 9, 4, 7), b, labels)
    assert (found.only_a.tolist(), found.only_b.tolist()) == ([1], [3])
    assert (found.both, found.neither) == (2, 2)
    assert found.same_answer == 3
    assert found.same_verdict == 5
    said = found.as_json()
    assert said["samples"] == 6
    assert (said["a"]["right"], said["a"]["accuracy"]) == (3, 0.5)
    assert said["b"]["verdicts"] == {"sure": 5, "conflict": 0, "none": 1}
    assert said["p_value"] == 1


@pytest.mark.parametrize(
    ("only_a", "only_b", "words"),
    [
        (9, 12, "B is right on 12 images where A is wrong, and wrong on 9 where A is right: "
                "no significant difference, p = 0.664"),
        (1, 0, "A is right on 1 image where B is wrong, and wrong on 0 where B is right: "
               "no significant difference, p = 1"),
        (3, 15, "B is significantly better, p = 0.00754"),
        (30, 2, "A is significantly better, p < 0.001"),
        (0, 0, "A and B are right on the same images: no difference"),
    ],
)  # fmt: skip
def test_the_conclusion_in_words(only_a, only_b, words):
    said = compared(only_a, only_b).conclusion.removesuffix(" (McNemar's exact test)")
    assert said.endswith(words)


def test_numbers_that_differ():
    with pytest.raises(ValueError, match="2 scores for 3 labels"):
        compare_scores(np.zeros((3, 10)), np.zeros((2, 10)), np.zeros(3, int))


# --- the picture -------------------------------------------------------------------------------


def test_the_picture_shows_both_answers_and_what_is_left_out():
    comparison = compared(2, 40)
    images = np.zeros((43, 28, 28), np.uint8)
    figure = plot_differences(comparison, images, "old.pkl", "new.pkl")
    assert figure.get_suptitle().replace("\n", " ") == comparison.conclusion
    upper, lower = figure.subfigs
    assert upper.get_suptitle() == "only A is right (old.pkl): 2"
    assert lower.get_suptitle() == (
        "only B is right (new.pkl): 40; the first 27 are drawn, 13 left out"
    )
    drawn = [axes for axes in lower.axes if axes.images]
    assert len(drawn) == 27
    assert drawn[0].get_title() == "#2 is 3"
    said, right = drawn[0].texts
    assert (said.get_text(), right.get_text()) == ("A: 8", "B: 3")
    assert (said.get_color(), right.get_color()) == ("#D55E00", "#0072B2")


def test_the_command_draws_also_where_there_is_no_difference(run, two, tmp_path):
    old, new = two
    for other, least in ((new, 500), (old, 0)):
        path = tmp_path / "x.png"
        done = run("compare", old, other, "--dataset", "digits", "--save", path)
        assert done.returncode == 0, done.stderr
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        n_orange = (pixels == (0xD5, 0x5E, 0x00)).all(axis=1).sum()
        assert n_orange > least if least else n_orange == 0
    assert "A and B are right on the same images: no difference" in done.stdout


# --- the command -------------------------------------------------------------------------------


def test_the_command_agrees_with_evaluate_and_test(run, two):
    digits = ["--dataset", "digits", "--json"]
    (said,) = objects(run("compare", *two, *digits))
    assert list(said) == [
        *("dataset", "split", "samples", "a", "b", "both_right", "both_wrong"),
        *("only_a_right", "only_b_right", "same_answer", "same_verdict"),
        *("p_value", "significant", "conclusion"),
    ]
    assert (said["dataset"], said["split"], said["samples"]) == ("digits", "test", 297)
    only = {"a": said["only_a_right"], "b": said["only_b_right"]}
    assert said["both_right"] + said["both_wrong"] + len(only["a"]) + len(only["b"]) == 297
    wanted = binomtest(len(only["a"]), len(only["a"]) + len(only["b"])).pvalue
    assert said["p_value"] == pytest.approx(wanted)
    assert said["significant"] == (wanted < 0.05)
    for name, path in zip("ab", two, strict=True):
        (evaluated,) = objects(run("evaluate", "--models", path, *digits))
        assert said[name]["models"] == str(path)
        assert said[name]["accuracy"] == evaluated["accuracy"]
        assert said[name]["verdicts"]["none"] == evaluated["fired_none"]
        assert said[name]["verdicts"]["conflict"] == evaluated["fired_several"]
        (one,) = objects(run("test", "--models", path, "--index", only["a"][0], *digits))
        assert one["correct"] == (name == "a")
    text = run("compare", *two, *digits[:2]).stdout
    lines = text.splitlines()
    assert "\x1b" not in text
    assert max(len(line) for line in lines if ".pkl" not in line) <= 80
    assert ["right", str(said["a"]["right"]), str(said["b"]["right"])] in map(str.split, lines)
    assert said["conclusion"] in " ".join(lines)
    assert f"#{said['only_a_right'][0]}," in text


def test_a_file_that_is_refused(run, two, tmp_path):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps([os.system] * 10))
    for pair in ((two[0], tmp_path / "bad.pkl"), (tmp_path / "bad.pkl", two[0])):
        done = run("compare", *pair, "--dataset", "digits")
        assert_nothing_done(done, f"{tmp_path / 'bad.pkl'}: refused: it asks for ")
