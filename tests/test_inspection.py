"""``inspect``: what it says of a models.pkl is what is in it, and nothing in it is run."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commandline import ROOT, assert_nothing_done, call, objects
from PIL import Image

from ovr_digits import load_models
from ovr_digits.core.features import Branch, KernelLayer
from ovr_digits.core.occlusion import ink_effects
from ovr_digits.core.views import VIEWS
from ovr_digits.data.splits import Split, load_split
from ovr_digits.learn.presets import PRESETS
from ovr_digits.models.modelfile import parse_models
from ovr_digits.picture.digit import find_form
from ovr_digits.report.inspection import (
    VIEW_MEANINGS,
    DetectorPortrait,
    portray_detectors,
    show_anchors,
)
from ovr_digits.report.plots.inspection import plot_anchors, plot_detectors
from ovr_digits.report.plots.style import png_bytes

pytestmark = pytest.mark.xdist_group("inspection")


@pytest.fixture(
    scope="module", params=["fast", "default", pytest.param("best", marks=pytest.mark.long)]
)
def trained(request, tmp_path_factory) -> Path:
    """A models.pkl of each preset, badly trained on a few of the bundled digits."""
    path = tmp_path_factory.mktemp("presets") / f"{request.param}.pkl"
    quick = ["--dataset", "digits", "--limit", "100", "--forms", "0", "--epochs", "1"]
    quick += ["--preset", request.param]
    done = call("train", *quick, "--output", path, folder=path.parent)
    assert done.returncode == 0, done.stderr
    return path


# --- what it says ------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_file(run, trained):
    (said,) = objects(run("inspect", trained, "--json"))
    preset = PRESETS[trained.stem]
    ten = pickle.loads(trained.read_bytes())
    assert said["path"] == str(trained)
    assert said["provenance"] == ten[0].provenance_
    assert said["provenance"]["options"]["preset"] == trained.stem
    assert [view["view"] for view in said["views"]] == list(preset.views)
    assert said["features"] == ten[0].sgd_.coef_.shape[1]
    assert said["weights"] == 10 * said["features"]
    for detector, found in zip(ten, said["detectors"], strict=True):
        assert found["intercept"] == pytest.approx(detector.sgd_.intercept_[0], abs=1e-6)
        assert found["norm"] == pytest.approx(np.linalg.norm(detector.sgd_.coef_), rel=1e-4)

    assert said["bytes"] == trained.stat().st_size
    for view, branch in zip(said["views"], ten[0].features_.branches_, strict=True):
        for layer, stored in zip(view["layers"], branch.layers, strict=True):
            assert layer["anchors"] == len(stored.anchors)
            assert layer["patch_size"] ** 2 * layer["channels"] == stored.anchors.shape[1]
            whitener = 0 if stored.whitener is None else stored.whitener.nbytes
            assert layer["bytes"] == stored.anchors.nbytes + whitener
        leading = branch.leading
        assert (
            view["leading_axes"]
            == preset.learning.n_leading
            == (leading.offset.size if leading else 0)
        )
        axes = leading.axes.nbytes + leading.offset.nbytes if leading else 0
        assert view["leading_bytes"] == axes
    parts = [v["leading_bytes"] + sum(x["bytes"] for x in v["layers"]) for v in said["views"]]
    assert said["weight_bytes"] == sum(d.sgd_.coef_.nbytes + 8 for d in ten)
    assert said["other_bytes"] == said["bytes"] - sum(parts) - said["weight_bytes"]
    assert 0 < said["other_bytes"] < 20_000


def test_the_text_is_plain_and_narrow_when_piped(run, trained):
    for encoding in ("utf-8", "ascii"):
        done = run("inspect", trained, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= max(80, len(str(trained)) + 50)
        assert not {"\x1b", "\\"} & set(done.stdout)
        assert done.stdout.isascii() or encoding == "utf-8"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["the", "whole", "file", f"{trained.stat().st_size:,}", "100.00", "%"] in lines
    for view in PRESETS[trained.stem].views:
        (row,) = [line for line in lines if line[:1] == [view]]
        assert row[1:5] == ["16", "of", "3x3x1,", "128"]
    assert [line[0] for line in lines if "(seven)" in line] == ["7"]
    assert any(line[:1] == ["test"] and line[-1] == "%" for line in lines)


def test_the_models_that_ship_are_the_default(run):
    (said,) = objects(run("inspect", "--json"))
    assert said["provenance"]["dataset"] == "mnist"
    assert said["bytes"] == (ROOT / "models.pkl").stat().st_size
    assert 0 < said["other_bytes"] < 20_000
    text = " ".join(run("inspect").stdout.split())
    assert not {"{", "}"} & set(text)
    for credit in said["provenance"]["hands"]:
        assert f"title {credit['title']}, authors {credit['authors']}, licence" in text


def test_models_that_do_not_say_where_they_come_from(run, tiny_models):
    said = run("inspect", tiny_models).stdout
    assert "it does not say where it comes from" in said


def test_views_may_have_fewer_layers_than_others(run, tiny_models_bytes, tmp_path):
    detectors = pickle.loads(tiny_models_bytes)
    features = detectors[0].features_
    first = features.branches_[0]
    bare = replace(first, layers=(replace(first.layers[0], whitener=None),), leading=None)
    features.branches_ = (bare, *features.branches_)
    n_features = sum(branch.n_features((28, 28)) for branch in features.branches_)
    for detector in detectors:
        detector.sgd_.coef_ = np.zeros((1, n_features))
    (tmp_path / "models.pkl").write_bytes(pickle.dumps(detectors))
    lines = run("inspect", tmp_path / "models.pkl").stdout.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("view "))
    table = lines[start : start + 3]
    assert len({len(line) for line in table}) == 1
    assert table[0].split()[-1] == "bytes"


# --- what it refuses ---------------------------------------------------------------------------


class Hostile:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("options", [[], ["--json"], ["--save"]])
def test_a_hostile_file_is_refused_in_one_line(run, tmp_path, options):
    mark, path, folder = (tmp_path / name for name in ("mark", "models.pkl", "pictures"))
    path.write_bytes(pickle.dumps([Hostile(f"touch {mark}")] * 10))
    done = run("inspect", path, *options, *([folder] if "--save" in options else []))
    assert_nothing_done(done, f"ovr-digits: {path}: refused: it asks for ", "system")
    assert [path] == list(tmp_path.iterdir())


def test_what_is_not_there(run, tiny_models):
    assert_nothing_done(run("inspect", "absent.pkl"), "no such file")
    folder = tiny_models / "pictures"
    assert_nothing_done(run("inspect", tiny_models, "--save", folder), "pictures: cannot be made")


# --- pictures ----------------------------------------------------------------------------------


def test_pictures(run, tiny_models, monkeypatch, tmp_path):
    split = load_split("digits", "test")
    few = replace(split, X=split.X[:100], y=split.y[:100])
    monkeypatch.setattr("ovr_digits.data.splits.load_split", lambda *_: few)
    monkeypatch.setattr("ovr_digits.report.inspection._AVERAGED", 1)
    monkeypatch.setattr("ovr_digits.report.inspection._PICKED", 2)
    folder = tmp_path / "new" / "pictures"
    (said,) = objects(run("inspect", tiny_models, "--save", folder, "--json"))
    assert said["path"] == str(tiny_models)
    assert sorted(path.name for path in folder.iterdir()) == ["anchors.png", "detectors.png"]
    for path in folder.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 700
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        orange = (pixels == (0xD5, 0x5E, 0x00)).all(axis=1).sum()
        assert (orange > 1000) == (path.name == "detectors.png")  # the frames of false alarms


def test_every_view_has_words():
    assert set(VIEW_MEANINGS) == set(VIEWS)


def test_pieces_of_an_image_are_where_the_anchors_look(tiny_models):
    """A single stroke, high and to the right: every piece that is found shows some of it."""
    image = np.zeros((28, 28), np.uint8)
    image[4:11, 20:22] = 255
    models = load_models(tiny_models)
    shown = show_anchors(models, image.reshape(1, -1))
    assert [view.view for view in shown] == [branch.view for branch in models.branches]
    for view, branch in zip(shown, models.branches, strict=True):
        first, last = branch.layers
        np.testing.assert_array_equal(view.first.reshape(len(first.anchors), -1), first.anchors)
        assert len(view.last) == len(view.cosines) == len(last.anchors)
        side = view.last.shape[1]
        middle = slice(side // 2 - 4, side // 2 + 5)
        assert (view.last[:, middle, middle].max(axis=(1, 2)) > 0.5).all()


def test_the_best_piece_is_better_among_more_images(tiny_models):
    models, X = load_models(tiny_models), load_split("digits", "train").X
    few, many = show_anchors(models, X[:5]), show_anchors(models, X[:300])
    for one, other in zip(few, many, strict=True):
        assert (other.cosines >= one.cosines - 1e-5).mean() > 0.9
        assert other.cosines.mean() > one.cosines.mean()
        assert other.cosines.max() <= 1.0001
    figure = plot_anchors(many)
    assert figure.get_suptitle() == (
        "Learnt without labels: 16 small patches and 32 larger pieces of strokes"
    )
    headings = [axes.get_title() for axes in figure.axes]
    assert headings[0] == "first layer: 8 anchors, 3×3 pixels"
    assert headings[1].startswith("last layer: 16 anchors")


def test_models_of_one_layer_have_no_pieces(tiny_models):
    models = load_models(tiny_models)
    single = replace(
        models, branches=[replace(b, layers=b.layers[:1], leading=None) for b in models.branches]
    )
    (view, *_) = shown = show_anchors(single, np.zeros((1, 784), np.uint8))
    assert view.last is view.cosines is None
    assert plot_anchors(shown).get_suptitle() == "Learnt without labels: 16 small patches"


def drawn_branch(rng: np.random.Generator) -> Branch:
    """A branch of any geometry that the reader accepts: few anchors, patches larger than maps."""
    n_channels, layers = 1, []
    for _ in range(rng.integers(1, 5)):
        size, n = int(rng.choice([1, 3, 5, 9, 15])), int(rng.integers(1, 5))
        anchors = rng.normal(size=(n, size**2 * n_channels)).astype(np.float32)
        anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
        whitener = rng.normal(size=(n, n)).astype(np.float32) if rng.random() < 0.5 else None
        stride = float(rng.choice([1, 1.5, 2, 3, 7, 28]))
        layers.append(KernelLayer(anchors, size, 2.0, stride, bool(rng.random() < 0.5), whitener))
        n_channels = n
    return Branch(str(rng.choice(list(VIEWS))), tuple(layers))


@pytest.mark.parametrize("seed", range(6))
def test_pictures_of_any_geometry_that_is_read(tiny_models_bytes, digit_images, seed):
    rng = np.random.default_rng(seed)
    detectors = pickle.loads(tiny_models_bytes)
    branches = tuple(drawn_branch(rng) for _ in range(3))
    detectors[0].features_.branches_ = branches
    n_features = sum(branch.n_features((28, 28)) for branch in branches)
    for detector in detectors:
        detector.sgd_.coef_ = np.zeros((1, n_features))
    shown = show_anchors(parse_models(pickle.dumps(detectors)), digit_images[:5])
    for view, branch in zip(shown, branches, strict=True):
        if len(branch.layers) > 1:
            assert view.last.shape[0] == len(branch.layers[-1].anchors)
            assert view.last.shape[1] == view.last.shape[2] <= 55  # all of an image, from any place
    if seed == 0:
        assert png_bytes(plot_anchors(shown)).startswith(b"\x89PNG")


# --- what a detector looks for -----------------------------------------------------------------


class LinearModels:
    """Scores that are linear in the pixels, so that effects of ink are known."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return X @ self.weights.T.astype(np.float64) / 255


def test_effects_of_ink_on_scores_that_are_linear_in_it():
    weights = np.zeros((3, 28, 28))
    weights[0] = 1
    weights[1, 9, 17] = -1
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    effects = ink_effects(LinearModels(weights.reshape(3, -1)), image)
    assert effects.shape == (3, 28, 28)
    # A window holds 2 pi 1.5² of ink, wherever it is.
    np.testing.assert_allclose(effects[0, 8:20, 8:20], 14.14, rtol=0.01)
    assert np.unravel_index(effects[1].argmin(), image.shape) == (9, 17)
    assert -1 < effects[1].min() < -0.3
    assert np.abs(effects[1][20:]).max() < 1e-3
    assert np.abs(effects[2]).max() < 1e-9
    within = ink_effects(LinearModels(weights.reshape(3, -1)), image, margin=4)
    np.testing.assert_allclose(within[0], 14.14, rtol=0.01)  # to the corners, as beside them
    np.testing.assert_allclose(within[:, 9:19, 9:19], effects[:, 9:19, 9:19], atol=0.02)


def test_a_zero_wants_a_ring_of_ink_and_a_hole():
    image = find_form(ROOT / "examples" / "zero.png")
    effects = ink_effects(load_models(ROOT / "models.pkl"), image)[0]
    hole = effects[12:16, 12:16].mean()
    assert hole < -0.5
    assert effects[image > 200].mean() > hole + 1


@pytest.fixture(scope="module")
def portrayed(tiny_models) -> tuple[list[DetectorPortrait], Split]:
    split = load_split("digits", "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ovr_digits.report.inspection._AVERAGED", 2)
        return portray_detectors(load_models(tiny_models), split, n_jobs=1), split


def test_a_portrait_counts_and_picks(tiny_models, portrayed):
    portraits, split = portrayed
    models, y = load_models(tiny_models), split.y
    scores = models.decision_function(split.X)
    assert [portrait.digit for portrait in portraits] == list(range(10))
    for digit, portrait in enumerate(portraits):
        own = y == digit
        assert portrait.missed == sum(scores[i, digit] <= 0 for i in np.flatnonzero(own))
        assert portrait.false_alarms == sum(scores[i, digit] > 0 for i in np.flatnonzero(~own))
        assert portrait.scores[portrait.highest[0]] == portrait.scores.max()
        assert (np.diff(portrait.scores[portrait.highest]) <= 0).all()
        assert (y[portrait.lowest_own] == digit).all()
        assert portrait.scores[portrait.lowest_own[0]] == portrait.scores[own].min()
        assert (y[portrait.highest_other] != digit).all()
        assert portrait.scores[portrait.highest_other[0]] == portrait.scores[~own].max()
    fours = split.X[y == 4][:2].reshape(-1, 28, 28)
    effects = np.mean([ink_effects(models, image)[4] for image in fours], axis=0)
    np.testing.assert_allclose(portraits[4].effects, effects, atol=1e-3)


def test_the_picture_of_detectors_shows_these_numbers(portrayed):
    portraits, split = portrayed
    images = split.X.reshape(-1, 28, 28)
    figure = plot_detectors(portraits, images, split.y, "small set")
    missed, false_alarms = (
        sum(getattr(portrait, name) for portrait in portraits)
        for name in ("missed", "false_alarms")
    )
    assert figure.get_suptitle() == (
        f"Of 297 images of the small set, {missed} are missed by their own detector; "
        f"false alarms: {false_alarms} (orange frames)"
    )
    maps, highest, lowest, others = figure.subfigs
    for portrait, axes in zip(portraits, maps.axes, strict=True):
        said = f"{portrait.missed} missed, {portrait.false_alarms} false"
        assert (axes.get_ylabel(), axes.get_xlabel()) == (str(portrait.digit), said)
    for block, picks in (
        (highest, [portrait.highest for portrait in portraits]),
        (lowest, [portrait.lowest_own for portrait in portraits]),
        (others, [portrait.highest_other for portrait in portraits]),
    ):
        for (digit, index), axes in zip(
            ((digit, index) for digit, picked in enumerate(picks) for index in picked),
            block.axes,
            strict=True,
        ):
            np.testing.assert_array_equal(axes.images[0].get_array(), images[index])
            score = portraits[digit].scores[index]
            assert float(axes.get_xlabel().replace("−", "-")) == pytest.approx(score, abs=0.051)
            is_orange = axes.spines["top"].get_edgecolor()[:3] == (0xD5 / 255, 0x5E / 255, 0)
            assert is_orange == ((score > 0) != (split.y[index] == digit))
