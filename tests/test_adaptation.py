"""Learning from corrected drawings: better at a person's digits, as good as before at others."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sklearn.linear_model import SGDClassifier

from ovr_digits import load_models
from ovr_digits.cli import main
from ovr_digits.core.evaluation import measure_reliability
from ovr_digits.core.vote import count_votes
from ovr_digits.data.corrections import FILE_NAME, keep_correction
from ovr_digits.data.splits import load_split
from ovr_digits.learn import retraining
from ovr_digits.learn.adaptation import AdaptationOptions, adapt_detectors
from ovr_digits.learn.detectors import detector_arrays, detectors_of
from ovr_digits.learn.retraining import RetrainingOptions, retrain, with_adaptation
from ovr_digits.models.modelfile import save_models
from ovr_digits.models.stamp import stamp
from ovr_digits.parallel import collect

pytestmark = pytest.mark.xdist_group("adaptation")

#: Rows of the digits inside scikit-learn that the tiny models have not seen.
UNSEEN = slice(600, 1500)


def own_ones(n: int, seed: int) -> np.ndarray:
    """Somebody's ones (n, 784): a long upstroke, a stem and a foot, never twice the same."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 28, 28), np.uint8)
    for image in images:
        shift = rng.integers(-1, 2)
        for row in range(4, 24):
            image[row, 15 + shift : 17 + shift] = rng.integers(200, 256)
        for step in range(9):
            image[4 + step, 15 + shift - step : 17 + shift - step] = rng.integers(200, 256)
        image[22:24, 8 + shift : 23 + shift] = rng.integers(200, 256)
    return images.reshape(n, -1)


@pytest.fixture(scope="module")
def own() -> tuple[np.ndarray, np.ndarray]:
    return own_ones(12, 0), np.full(12, 1)


@pytest.fixture(scope="module")
def rehearsal():
    split = load_split("digits", "train")
    return split.X[:500], split.y[:500]


@pytest.fixture(scope="module")
def adapted(tiny_models, own, rehearsal):
    return adapt_detectors(load_models(tiny_models), own, rehearsal)


def accuracy(models, X, y):
    return (models.decision_function(X).argmax(axis=1) == y).mean()


def test_later_drawings_are_answered_rightly_and_nothing_is_forgotten(tiny_models, adapted):
    before, after = load_models(tiny_models), detector_arrays(adapted.detectors)
    later = own_ones(40, 1)
    assert accuracy(before, later, 1) < 0.5
    assert accuracy(after, later, 1) > 0.95
    split = load_split("digits", "train")
    X, y = split.X[UNSEEN], split.y[UNSEEN]
    assert accuracy(after, X, y) > accuracy(before, X, y) - 0.005
    was, now = (measure_reliability(m.decision_function(X), y) for m in (before, after))
    assert now.calibration_error < was.calibration_error + 0.01


def test_left_out_scores_are_of_models_that_learnt_from_others(tiny_models, own, rehearsal):
    """One digit that is like no other kept one is learnt, but not by the models it was left out."""
    X, y = own
    X = np.concatenate([X, 255 - X[:1]])
    y = np.append(y, 4)
    adapted = adapt_detectors(load_models(tiny_models), (X, y), rehearsal)
    left_out = adapted.left_out_scores.argmax(axis=1)
    assert (left_out[:-1] == 1).all()
    assert left_out[-1] != 4
    assert accuracy(detector_arrays(adapted.detectors), X[-1:], y[-1:]) == 1


def test_a_wrong_label_does_not_wreck_the_models(tiny_models, own, rehearsal):
    X, y = own
    y = y.copy()
    y[3] = 8
    before = load_models(tiny_models)
    after = detector_arrays(adapt_detectors(before, (X, y), rehearsal).detectors)
    assert accuracy(after, own_ones(40, 1), 1) > 0.8
    split = load_split("digits", "train")
    X, y = split.X[UNSEEN], split.y[UNSEEN]
    assert accuracy(after, X, y) > accuracy(before, X, y) - 0.01


def test_digits_that_were_right_change_little(tiny_models, rehearsal):
    split = load_split("digits", "train")
    X, y = split.X[UNSEEN], split.y[UNSEEN]
    before = load_models(tiny_models)
    right = np.flatnonzero(before.decision_function(X).argmax(axis=1) == y)[:20]
    after = detector_arrays(adapt_detectors(before, (X[right], y[right]), rehearsal).detectors)
    assert accuracy(after, X, y) > accuracy(before, X, y) - 0.003


def test_the_same_seed_gives_the_same_whatever_the_cores(tiny_models, own, rehearsal, adapted):
    again = adapt_detectors(load_models(tiny_models), own, rehearsal, n_jobs=2)
    for one, other in zip(adapted.detectors, again.detectors, strict=True):
        np.testing.assert_allclose(one.sgd_.coef_, other.sgd_.coef_, atol=1e-4)


def test_of_very_many_the_latest_are_learnt(tiny_models, own, rehearsal):
    X, y = own
    options = AdaptationOptions(max_samples=5)
    adapted = adapt_detectors(load_models(tiny_models), (X, y), rehearsal, options)
    assert adapted.n_kept == 5
    assert adapted.left_out_scores.shape == (5, 10)


@pytest.mark.parametrize("n", [1, 2])
def test_one_digit_is_enough(tiny_models, own, rehearsal, n):
    X, y = own
    adapted = adapt_detectors(load_models(tiny_models), (X[:n], y[:n]), rehearsal)
    assert accuracy(detector_arrays(adapted.detectors), X[:n], y[:n]) == 1


def test_nothing_to_learn_is_refused(tiny_models, own, rehearsal):
    X, y = own
    with pytest.raises(ValueError, match="needs kept digits"):
        adapt_detectors(load_models(tiny_models), (X[:0], y[:0]), rehearsal)


def test_arrays_become_the_same_detectors_again(tiny_models, tmp_path, digit_images):
    models = load_models(tiny_models)
    detectors = detectors_of(models, "log_loss", 7)
    save_models(detectors, tmp_path / "models.pkl")
    again = load_models(tmp_path / "models.pkl")
    np.testing.assert_array_equal(
        again.decision_function(digit_images), models.decision_function(digit_images)
    )
    size = (tmp_path / "models.pkl").stat().st_size
    assert size < 1.01 * tiny_models.stat().st_size + 1000


# --- the command ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, own) -> Path:
    folder = tmp_path_factory.mktemp("corrections")
    for image in own[0]:
        content = io.BytesIO()
        Image.fromarray(255 - image.reshape(28, 28)).resize((140, 140)).save(content, "PNG")
        keep_correction(folder, content.getvalue(), 1, count_votes(np.zeros((1, 10)))[0])
    return folder


def adapt(folder: Path, *options: object) -> Result:
    with contextlib.chdir(folder):
        return CliRunner().invoke(main, ["adapt", *map(str, options)])


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, tiny_models, kept):
    folder = tmp_path_factory.mktemp("learnt")
    given = (kept, "--models", tiny_models, "--dataset", "digits")
    done = adapt(folder, *given, "--json", "--output", "own.pkl")
    assert done.exit_code == 0, done.stderr
    return folder / "own.pkl", json.loads(done.stdout), done.stderr


def test_the_command_learns(learnt, tiny_models):
    path, said, progress = learnt
    assert said["kept"] == [0, 12] + [0] * 8
    assert said["dataset"] == "digits"
    assert said["samples"] == 1012
    assert said["options"] == {"seed": 0, "accept_loss": False}
    assert abs(said["validation_accuracy"] - said["test_accuracy"]) < 0.05
    assert said["rehearsed"] == 1000  # the third that is not shows what adapting costs
    assert said["kept_accuracy"] < said["left_out_accuracy"]
    assert said["left_out_accuracy"] > 0.9
    assert said["test_accuracy"] > said["old_test_accuracy"] - 0.02
    assert "learning" in progress
    after = load_models(path)
    assert accuracy(after, own_ones(40, 1), 1) > 0.9
    split = load_split("digits", "test")
    assert accuracy(after, split.X, split.y) == pytest.approx(said["test_accuracy"], abs=1e-6)
    before = accuracy(load_models(tiny_models), split.X, split.y)
    assert before == pytest.approx(said["old_test_accuracy"], abs=1e-6)


def test_what_is_written_keeps_the_contract(learnt, digit_images):
    path, said, _ = learnt
    detectors = pickle.loads(path.read_bytes())
    assert type(detectors) is list
    assert len(detectors) == 10
    scores = np.stack([d.decision_function(digit_images) for d in detectors], axis=1)
    np.testing.assert_array_equal(scores, load_models(path).decision_function(digit_images))
    for detector in detectors:
        assert isinstance(detector.steps[-1][1], SGDClassifier)
        assert detector.features_ is detectors[0].features_
    (record,) = load_models(path).provenance["adaptations"]
    assert len(record["models_digest"]) == 64
    assert record["kept"] == said["kept"]
    assert record["test_accuracy"] == said["test_accuracy"]
    assert record["created"].endswith("Z")
    assert "output" not in record


def test_learning_goes_on_from_what_was_learnt(learnt, kept):
    path, _, _ = learnt
    done = adapt(path.parent, kept, "--models", path, "--dataset", "digits")
    assert done.exit_code == 0, done.stderr
    assert "learnt 12 corrections (1: 12)" in done.stdout
    assert "bundled digits" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    models = load_models(path.parent / "models.pkl")
    assert len(models.provenance["adaptations"]) == 2
    assert accuracy(models, own_ones(40, 1), 1) > 0.9


def test_corrections_that_cost_too_much_are_not_written_unless_that_is_accepted(
    tmp_path, tiny_models, monkeypatch
):
    split = load_split("digits", "train")
    sevens = split.X[UNSEEN][split.y[UNSEEN] == 7][:40]
    called_ones = sevens, np.full(40, 1)
    monkeypatch.setattr(retraining, "load_corrections", lambda *arguments: called_ones)
    output = tmp_path / "own.pkl"
    output.write_bytes(tiny_models.read_bytes())
    command = ["kept", "--models", output, "--output", output, "--dataset", "digits"]

    def run(*options: str) -> Result:
        return CliRunner().invoke(main, ["adapt", *map(str, command), "--json", *options])

    refused = run()
    assert refused.exit_code == 1
    assert refused.stdout == ""
    (line,) = [line for line in refused.stderr.splitlines() if "adapting would" in line]
    was, now = (float(share) for share in re.findall(r"([\d.]+) %", line))
    assert 0.3 < was - now < 100
    assert f"{output} is left as it was" in line
    assert "--accept-loss" in line
    assert output.read_bytes() == tiny_models.read_bytes()
    assert list(tmp_path.iterdir()) == [output]

    accepted = run("--accept-loss")
    assert accepted.exit_code == 0, accepted.stderr
    said = json.loads(accepted.stdout)
    assert said["test_accuracy"] < said["old_test_accuracy"]
    assert output.read_bytes() != tiny_models.read_bytes()


def test_what_adapting_costs_is_measured_on_images_that_were_not_rehearsed(
    tmp_path, tiny_models, kept, monkeypatch
):
    """All others are rehearsed, and the test images play no part in whether it costs too much."""
    seen: dict[str, np.ndarray] = {}

    def spy(models, kept, rehearsal, *arguments):
        seen["rehearsed"] = rehearsal[0]
        return adapt_detectors(models, kept, rehearsal, *arguments)

    def voting(function, X, *arguments):
        seen.setdefault("held out", X)
        return collect(function, X, *arguments)

    monkeypatch.setattr(retraining, "adapt_detectors", spy)
    monkeypatch.setattr(retraining, "collect", voting)
    options = RetrainingOptions(kept, tiny_models, tmp_path / "own.pkl", "digits", n_jobs=1)
    result = retrain(options)
    assert result.old_held_out_accuracy - result.held_out_accuracy < 0.003
    together = np.concatenate([seen["rehearsed"], seen["held out"]])
    assert len(seen["held out"]) == result.held_out_samples == 500
    train = load_split("digits", "train").X
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(train, axis=0))


def test_lines_that_cannot_be_used_are_named_and_the_rest_is_learnt(tmp_path, tiny_models, kept):
    folder = tmp_path / "corrections"
    folder.mkdir()
    for path in kept.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with (folder / FILE_NAME).open("a") as file:
        file.write('{"file": "gone.png", "label": 1}\n{"file": "half')
    given = (folder, "--models", tiny_models, "--dataset", "digits", "--json")
    done = adapt(tmp_path, *given)
    assert json.loads(done.stdout)["kept"][1] == 12
    notes = [line for line in done.stderr.splitlines() if "passed over" in line]
    assert len(notes) == 2
    assert "line 13 passed over: 'gone.png'" in notes[0]


def test_four_hundred_adaptations_can_be_read(tiny_models_bytes, tmp_path):
    detectors = pickle.loads(tiny_models_bytes)
    entry = {"kept": [1] * 10, "rehearsed": 5, **stamp("numpy", "scikit-learn")}
    provenance = {"dataset": "digits", "adaptations": [entry] * 300}  # as once all were told
    for number in range(400):
        provenance = with_adaptation(provenance, {**entry, "rehearsed": number})
    for detector in detectors:
        detector.provenance_ = provenance
    save_models(detectors, tmp_path / "models.pkl")
    read = load_models(tmp_path / "models.pkl").provenance
    told = read["adaptations"]
    assert read["earlier_adaptations"] + len(told) == 700
    assert [entry["rehearsed"] for entry in told] == list(range(400 - len(told), 400))
    assert read["dataset"] == "digits"


def test_the_models_that_ship_are_not_replaced_by_accident(kept):
    root = Path(__file__).resolve().parent.parent
    if not (root / "models.pkl").is_file():
        pytest.skip("no models.pkl in this checkout")
    before = (root / "models.pkl").stat()
    done = adapt(root, kept)
    assert done.exit_code == 2
    assert "name another with --output" in " ".join(done.stderr.split())
    assert (root / "models.pkl").stat().st_mtime_ns == before.st_mtime_ns


def crosses(n: int, seed: int) -> np.ndarray:
    """Signs (n, 784) that are no digit: a cross of two bars, never twice the same."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 28, 28), np.uint8)
    for image in images:
        x, y = rng.integers(12, 15, 2)
        image[4:24, x : x + 3] = image[y : y + 3, 4:24] = rng.integers(200, 256)
    return images.reshape(n, -1)


def test_what_a_page_has_saved_is_learnt_and_no_digit_is_a_negative_for_all_ten(
    tmp_path, tiny_models
):
    lines = [
        {"label": None, "time": "2026-01-01T00:00:00Z", "image": image.reshape(28, 28).tolist()}
        for image in crosses(12, 0)
    ]
    ones = [{"label": 1, "image": image.reshape(28, 28).tolist()} for image in own_ones(3, 0)]
    saved = tmp_path / "saved.jsonl"
    saved.write_text("".join(json.dumps(line) + "\n" for line in lines + ones))
    done = adapt(tmp_path, saved, "--models", tiny_models, "--dataset", "digits", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["kept"], said["kept_no_digit"]) == ([0, 3] + [0] * 8, 12)
    assert said["samples"] == said["rehearsed"] + 15
    assert said["kept_accuracy"] < said["left_out_accuracy"]

    def fired(models) -> float:
        return (models.decision_function(crosses(40, 1)) > 0).any(axis=1).mean()

    assert fired(load_models(tiny_models)) > 0.3
    assert fired(load_models(tmp_path / "models.pkl")) < 0.05


def test_a_folder_without_corrections_is_one_clear_line(tmp_path, tiny_models):
    done = adapt(tmp_path, "none", "--models", tiny_models, "--dataset", "digits")
    assert done.exit_code == 1
    assert "none: no such folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models.pkl").exists()


# --- the benchmark -------------------------------------------------------------------------


@pytest.mark.long
def test_the_benchmark_of_hands(tmp_path, tiny_models):
    root = Path(__file__).resolve().parent.parent
    if not (root / "benchmarks").is_dir():
        pytest.skip("the benchmarks are only in the checkout")
    command = [sys.executable, "-m", "benchmarks.own_hand", "--dataset", "digits"]
    command += ["--models", str(tiny_models), "--output", str(tmp_path)]
    command += ["--count", "2", "--corrected", "5", "--later", "10"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "All 10 corrections of all writers" in done.stdout
    assert "| **median** |" in done.stdout
    record = json.loads((tmp_path / "own_hand-digits-test.json").read_text())
    assert len(record["writers"]) == 2
    for writer in record["writers"]:
        assert writer["drawn"] >= 5
        assert writer["odd_accuracy"][1] >= writer["odd_accuracy"][0]
