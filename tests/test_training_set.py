"""What a training learns from, and what is held out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from commandline import call, few_features_in

from ovr_digits import load_models
from ovr_digits.data.hands import ALL
from ovr_digits.data.splits import load_split
from ovr_digits.learn import training
from ovr_digits.learn.forms import draw_forms
from ovr_digits.learn.presets import HAND_SETS
from ovr_digits.learn.training_set import Drawing, gather

N_FORMS = 30


@dataclass
class Writers:
    """Six writers of ten digits each, of which every copy is of one grey level."""

    y: Any
    writers: Any

    def images(self, copy: int, seed: int, rows: Any, *how: Any) -> Any:
        """Each image tells its copy, its seed and its row."""
        X = np.zeros((len(rows), 784), np.uint8)
        X[:, 0], X[:, 1], X[:, 2] = copy, seed, rows
        return X


@pytest.fixture(scope="module")
def others() -> Any:
    return Writers(np.tile(np.arange(10, dtype=np.uint8), 6), np.repeat(np.arange(6), 10))


def test_the_last_digits_and_the_last_writers_are_held_out(others):
    split = load_split("digits", "train")
    training = gather(split, [others], 1 / 6, Drawing(N_FORMS, 7))
    X, n_fit = training.images(), len(training.y) - training.n_held_out
    assert len(X) == len(training.y) == 2 * N_FORMS + 60 + len(split)
    # Those that are cut out of rows come first.
    X, y, n_fit = X[N_FORMS:], training.y[N_FORMS:], n_fit - N_FORMS
    assert training.n_held_out == 10 + 250
    assert (X[:N_FORMS] == draw_forms(N_FORMS, seed=7)).all()
    assert (X[N_FORMS : N_FORMS + 50, 2] == np.arange(50)).all()
    assert (X[n_fit : n_fit + 10, 2] == np.arange(50, 60)).all()
    assert (X[N_FORMS + 50 : n_fit] == split.X[:1250]).all()
    assert (X[n_fit + 10 :] == split.X[1250:]).all()
    assert (y[n_fit:] == np.concatenate([others.y[50:], split.y[1250:]])).all()


def test_a_copy_is_drawn_anew_where_it_was_drawn(others):
    split = load_split("digits", "train")
    training = gather(split, [others], 1 / 6, Drawing(N_FORMS, 7))
    first, second = training.images(0), training.images(2)
    assert (first[:N_FORMS] == second[:N_FORMS]).all(), "what is cut out is cut once"
    first, second = first[N_FORMS:], second[N_FORMS:]
    assert (first[:N_FORMS] != second[:N_FORMS]).any(axis=1).all()
    assert (second[N_FORMS : N_FORMS + 50, :2] == (2, 7)).all()
    assert (first[N_FORMS + 50 : 1000] == second[N_FORMS + 50 : 1000]).all()


def test_a_data_set_alone(others):
    split = load_split("digits", "train")
    training = gather(split, [], 0.5, Drawing(0, 0))
    assert (training.images() == split.X).all()
    assert training.n_held_out == 750


def test_the_command_draws_forms_and_says_so(tmp_path):
    quick = ("--limit", 100, "--forms", 76, "--preset", "fast", "--epochs", 2)
    with few_features_in(training, n_anchors=(8, 16)):
        told = call("train", "--dataset", "digits", *quick, folder=tmp_path)
    assert (
        "trained on 189 images from scikit-learn's bundled digits, 89 drawn digits" in told.stdout
    )
    options = load_models(tmp_path / "models.pkl").provenance["options"]
    assert (options["forms"], options["hands"]) == (76, [])


@pytest.mark.parametrize("sets", ["nobody", "pendigits,nobody", ""])
def test_sets_that_nobody_knows_are_refused(tmp_path, sets):
    result = call("train", "--dataset", "digits", "--hands", sets, folder=tmp_path)
    assert result.returncode == 2
    assert "there are pendigits, optdigits, semeion, all and none" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_names_of_sets_are_those_of_the_data():
    assert HAND_SETS == ALL
