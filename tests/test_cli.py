"""Commands end to end; a process of their own only where pipes, terminals or signals matter."""

from __future__ import annotations

import gzip
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from commandline import (
    EXAMPLES,
    FEW_FEATURES,
    ROOT,
    SEVERAL,
    Result,
    assert_nothing_done,
    assert_one_line,
    call,
    environment,
    execute,
    few_features_in,
    files_of_at_most,
    objects,
    on_a_terminal,
    png,
    shell,
)
from PIL import Image

from ovr_digits.cli import main
from ovr_digits.cli.terminal import confusion_lines, vote_lines
from ovr_digits.core.evaluation import Evaluation
from ovr_digits.core.vote import count_votes
from ovr_digits.data import splits
from ovr_digits.data.idx import idx_bytes
from ovr_digits.data.splits import Split
from ovr_digits.errors import DigitsError
from ovr_digits.learn import training
from ovr_digits.models.modelfile import load_models

pytestmark = pytest.mark.xdist_group("cli")

NUMBERS = {"confidence", "votes", "scores"}
VOTE_KEYS = ["digit", "confidence", "verdict", "fired", "votes", "scores"]
SMALL = ["--dataset", "digits", "--limit", "300", "--forms", "0", "--seed", "5"]
QUICK = ["--dataset", "digits", "--limit", "100", "--forms", "0"]
QUICK += ["--epochs", "1", "--preset", "fast"]


@pytest.fixture(scope="module", autouse=True)
def few_features() -> Iterator[None]:
    """A training in this process takes a second or two."""
    with few_features_in(training, n_anchors=(8, 16)):
        yield


@pytest.fixture(scope="module")
def training_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a training on the bundled digits that is watched, and how it ended."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "log.jsonl").write_text("of an older run\n" * 9)
    watched = ["--log", "log.jsonl", "--plot", "curves.png"]
    result = call("train", *SMALL, *watched, "--output", "mine.pkl", "--json", folder=folder)
    assert {path.name for path in folder.iterdir()} == {"mine.pkl", "log.jsonl", "curves.png"}
    return folder, result


@pytest.fixture
def trained(training_run) -> tuple[Path, dict[str, Any]]:
    """A models.pkl trained on the bundled digits, and what ``train --json`` said of it."""
    folder, result = training_run
    (said,) = objects(result)
    return folder / "mine.pkl", said


# --- results as JSON -------------------------------------------------------------------------


def assert_vote(vote: dict[str, Any]) -> None:
    scores = np.array(vote["scores"])
    assert len(vote["votes"]) == len(scores) == 10
    assert vote["digit"] == scores.argmax()
    assert vote["fired"] == np.flatnonzero(scores > 0).tolist()
    n_fired = len(vote["fired"])
    assert vote["verdict"] == ("none" if n_fired == 0 else "sure" if n_fired == 1 else "conflict")
    assert vote["confidence"] == vote["votes"][vote["digit"]]
    np.testing.assert_allclose(vote["votes"], 1 / (1 + np.exp(-scores)), atol=2e-6)


def test_predict_json(run):
    paths = [str(EXAMPLES / "two.png"), str(EXAMPLES / "seven.png")]
    result = run("predict", "--json", *paths)
    answers = objects(result)
    assert result.stderr == ""
    assert [answer["path"] for answer in answers] == paths
    for answer in answers:
        assert list(answer) == ["path", *VOTE_KEYS]
        assert_vote(answer)
    assert [answer["digit"] for answer in answers] == [2, 7]


def test_samples_json_and_seed(run, trained):
    model, _ = trained
    options = ["test", "--dataset", "digits", "--models", model, "--json"]
    samples = objects(run(*options, "--count", 20, "--seed", 3))
    assert len({sample["index"] for sample in samples}) == 20
    for sample in samples:
        assert list(sample) == ["index", "label", "correct", *VOTE_KEYS]
        assert sample["correct"] == (sample["label"] == sample["digit"])
        assert_vote(sample)
    assert objects(run(*options, "--count", 20, "--seed", 3)) == samples
    assert objects(run(*options, "--count", 20, "--seed", 4)) != samples
    (single,) = objects(run(*options, "--index", samples[0]["index"]))
    for key, value in samples[0].items():
        # Alone and among twenty the matrix products may be summed in another order.
        assert single[key] == (pytest.approx(value, abs=1e-4) if key in NUMBERS else value)


def assert_consistent(said: dict[str, Any]) -> None:
    assert list(said) == [
        *("dataset", "split", "samples", "accuracy", "errors"),
        *("fired_none", "fired_several", "per_digit", "confusion"),
    ]
    confusion = np.array(said["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() == said["samples"]
    assert said["errors"] == confusion.sum() - confusion.trace()
    assert said["accuracy"] == pytest.approx(1 - said["errors"] / said["samples"], abs=1e-6)
    assert 0 <= said["fired_none"] + said["fired_several"] <= said["samples"]
    for digit, scores in enumerate(said["per_digit"]):
        assert list(scores) == ["digit", "precision", "recall", "f1"]
        assert scores["digit"] == digit
        precision = confusion[digit, digit] / max(confusion[:, digit].sum(), 1)
        recall = confusion[digit, digit] / max(confusion[digit].sum(), 1)
        assert scores["precision"] == pytest.approx(precision, abs=1e-6)
        assert scores["recall"] == pytest.approx(recall, abs=1e-6)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        assert scores["f1"] == pytest.approx(f1, abs=1e-6)


def test_train_then_evaluate_on_the_bundled_digits(run, trained):
    model, said = trained
    assert list(said) == [
        *("output", "dataset", "samples", "seconds"),
        *("validation_accuracy", "test_accuracy", "options"),
    ]
    assert (said["output"], said["dataset"], said["samples"]) == ("mine.pkl", "digits", 300)
    assert said["options"] == {
        "preset": "default",
        "seed": 5,
        "epochs": 3,
        "patience": None,
        "kept_epoch": 3,
        "detector_loss": "hinge",
        "limit": 300,
        "negatives": 0.125,
        "hands": [],
        "forms": 0,
    }
    assert said["validation_accuracy"] > 0.9
    (found,) = objects(run("evaluate", "--dataset", "digits", "--models", model, "--json"))
    assert_consistent(found)
    assert (found["dataset"], found["split"], found["samples"]) == ("digits", "test", 297)
    assert found["accuracy"] > 0.9
    assert found["accuracy"] == pytest.approx(said["test_accuracy"], abs=1e-6)


@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_evaluate_and_samples_on_mnist(run, mnist_dir, monkeypatch, n):
    split = splits.load_split("mnist", "test", mnist_dir)
    part = replace(split, X=split.X[:n], y=split.y[:n])
    monkeypatch.setattr(splits, "load_split", lambda *_: part)
    (found,) = objects(run("evaluate", "--json", "--jobs", 1 if n < 10_000 else 2))
    assert_consistent(found)
    assert (found["dataset"], found["samples"]) == ("mnist", n)
    assert np.array(found["confusion"]).sum(axis=1).tolist() == np.bincount(part.y).tolist()
    assert found["accuracy"] > 0.99
    monkeypatch.undo()
    (sample,) = objects(run("test", "--index", 0, "--json", OVR_DIGITS_DATA=str(mnist_dir)))
    assert (sample["label"], sample["digit"]) == (7, 7)


def test_evaluate_draws_how_far_votes_can_be_believed(run, trained, tmp_path):
    options = ["evaluate", "--dataset", "digits", "--models", trained[0], "--reliability"]
    said = run(*options, "votes.png").stdout
    share = re.search(r"^votes are off by (\d+\.\d\d) % on average", said, re.MULTILINE)
    assert 0 < float(share[1]) < 20
    with Image.open(tmp_path / "votes.png") as picture:
        assert picture.format == "PNG"


def test_provenance(trained):
    model, said = trained
    provenance = load_models(model).provenance
    assert provenance["dataset"] == "digits"
    assert provenance["samples"] == 300
    assert provenance["options"] == said["options"]
    assert provenance["test_accuracy"] == pytest.approx(said["test_accuracy"], abs=1e-6)
    assert provenance["validation_accuracy"] == pytest.approx(said["validation_accuracy"], abs=1e-6)
    assert re.fullmatch(r"[0-9a-f]{64}", provenance["digest"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", provenance["created"])
    assert {"python", "numpy", "scikit-learn", "ovr-digits"} <= set(provenance["versions"])


def test_the_same_seed_learns_the_same_watched_or_not(run, trained, tmp_path):
    said = run("train", *SMALL).stdout
    assert "trained on 300 images from scikit-learn's bundled digits" in said
    one, other = (load_models(path) for path in (tmp_path / "models.pkl", trained[0]))
    np.testing.assert_array_equal(one.coef, other.coef)
    np.testing.assert_array_equal(one.intercept, other.intercept)
    options = ["test", "--dataset", "digits", "--count", 50, "--seed", 1, "--json"]
    # The new one is found without being named: it lies in the working folder.
    assert objects(run(*options)) == objects(run(*options, "--models", trained[0]))


# --- text -------------------------------------------------------------------------------------


def test_text_is_plain_and_narrow_when_piped(run, trained, tmp_path):
    model, _ = trained
    shutil.copy(EXAMPLES / "two.png", tmp_path)
    digits = ["--dataset", "digits", "--models", model]
    for encoding, arguments in (
        ("ascii", ["predict", "two.png"]),
        ("utf-8", ["test", *digits, "--count", 3, "--seed", 1]),
        ("ascii", ["evaluate", *digits]),
        ("ascii", ["data", "show", *digits[:2]]),
        ("utf-8", ["data", "show", *digits[:2], "--digit", 4]),
        ("utf-8", ["data", "show", *digits[:2], "--index", 4]),
        ("ascii", ["data", "summary", *digits[:2]]),
    ):
        result = run(*arguments, PYTHONIOENCODING=encoding)
        assert result.returncode == 0, result.stderr
        assert "\x1b" not in result.stdout + result.stderr
        assert max(map(len, result.stdout.splitlines())) <= 80
        assert result.stdout.isascii() or encoding == "utf-8"


def test_text_says_what_it_is_of(run, trained, tmp_path):
    model, _ = trained
    shutil.copy(EXAMPLES / "two.png", tmp_path)
    assert "2 (two)" in run("predict", "two.png").stdout
    assert run("predict", "--brief", "two.png").stdout.startswith("two.png: 2 (two), sure: ")
    said = run("test", "--dataset", "digits", "--models", model, "--index", 8).stdout
    assert said.startswith("sample 8 of the digits test set\n")
    assert re.search(r"^truth \d: (right|WRONG)$", said, re.MULTILINE)
    said = run("evaluate", "--dataset", "digits", "--models", model).stdout
    assert said.startswith("digits test set: 297 images from scikit-learn's bundled digits\n")


def test_table_of_mnist_fits():
    confusion = np.diag([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    confusion[4, 9] = 1135
    lines = [click.unstyle(line) for line in confusion_lines(Evaluation(confusion, 0, 0))]
    assert {len(line) for line in lines} == {79}
    rows = [line.split() for line in lines[1:]]
    assert [row[0] for row in rows] == [str(digit) for digit in range(10)]
    assert rows[4][1:11] == [".", ".", ".", ".", "982", ".", ".", ".", ".", "1135"]
    assert rows[0][11:] == ["100.00", "100.00", "100.00"]


@pytest.mark.parametrize("unicode", [True, False])
def test_bars_of_scores_begin_at_the_threshold_beside_the_votes(monkeypatch, unicode):
    monkeypatch.setattr("ovr_digits.cli.terminal.has_unicode", lambda: unicode)
    scores = [-9.0, 0.5, -0.4, 30.0, -25.0, 3.0, -20.0, 20.0, -2.2, -14.2]
    (vote,) = count_votes(np.array([scores]))
    heading, *lines, scale = map(click.unstyle, vote_lines(vote))
    assert heading.split() == ["score,", "log-odds", "vote"]
    assert max(map(len, lines)) <= 80 - 33  # beside the digit
    middle = scale.index("0", scale.index("-20") + 3)
    for digit, (line, score, share) in enumerate(zip(lines, scores, vote.votes, strict=True)):
        assert line[0] == str(digit)
        assert line[middle] == ("│" if unicode else "|")
        left, right = line[2:middle], line[middle + 1 : middle + 11]
        assert bool(left.strip()) == (score <= -1)
        assert bool(right.strip()) == (score >= 1)
        assert ("<" in left, ">" in right) == (score < -20, score > 20)
        assert f" {score:+.1f} " in line
        assert f"{100 * share:.1f} %" in line
        assert line.endswith("fired") == (score > 0)


def test_colour_on_a_terminal_and_none_where_unwanted(tmp_path, trained):
    """Of commands one after the other in one process."""
    digits = ["--dataset", "digits"]
    commands = [
        ["predict", str(EXAMPLES / "two.png")],
        ["evaluate", *digits, "--models", str(trained[0])],
        ["data", "show", *digits],
        ["data", "show", "--index", "0", *digits],
        ["data", "summary", *digits],
    ]
    given = [({}, commands), ({"NO_COLOR": "1"}, commands), ({"TERM": "dumb"}, commands[:1])]
    each = json.dumps([[settings, command] for settings, listed in given for command in listed])
    said = on_a_terminal(tmp_path, each, start=("-c", SEVERAL)).split("status 0")
    assert len(said) == 12
    for text, mark in zip(said, ["38;5;", "1m", "38;5;", "38;5;", "38;5;"], strict=False):
        assert f"\x1b[{mark}" in text
    for text in said[5:]:
        table = text[text.find("digits test set") :]  # progress may still move the cursor
        assert not re.search(r"\x1b\[[\d;]*m", table)


def test_help_has_examples_and_imports_little(tmp_path):
    listing = "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    picture = str(EXAMPLES / "two.png")
    commands = json.dumps([[{}, c] for c in (["--help"], ["predict", picture], ["read", picture])])
    told = execute("-c", f"{SEVERAL}    {listing}\n", commands, folder=tmp_path).stdout
    listings = [line.split() for line in told.splitlines() if "click" in line.split()]
    assert len(listings) == 3
    heavy = {"sklearn", "scipy", "matplotlib", "rich", "joblib", "pooch", "pandas"}
    assert not {"numpy", "PIL"} & set(listings[0])
    assert not heavy & set(listings[2])


COMMANDS = [
    *("predict", "read", "test", "evaluate", "inspect", "compare", "export", "train"),
    *("data", "data download", "data show", "data summary"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(run, command):
    result = run(*command.split(), "--help")
    assert result.returncode == 0
    assert f"ovr-digits {command}" in result.stdout.split("Examples:")[1]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_lists_of_commands_say_what_each_does_in_whole_sentences():
    for group in (["--help"], ["data", "--help"]):
        listed = CliRunner().invoke(main, group, terminal_width=80).output.split("Commands:")[1]
        assert all(line.endswith(".") for line in listed.strip().splitlines())
        assert "..." not in listed


def test_scripts_are_commands(run, capsys, monkeypatch):
    def options(text: str) -> list[str]:
        return text[text.index("Options:") :].split()

    def said_by(script: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert end.value.code == 0
        return capsys.readouterr().out

    for script, command in (("training.py", "train"), ("testing.py", "test")):
        assert options(said_by(script, "--help")) == options(run(command, "--help").stdout)
    assert "of the digits test set" in said_by("testing.py", "--dataset", "digits", "--seed", "1")


def test_without_a_command_it_says_what_to_begin_with(run):
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "ovr-digits predict photo.png" in done.stderr
    assert len(done.stderr.splitlines()) < 10
    for name in ("predict", "read", "draw"):
        assert f"ovr-digits {name}" in done.stderr
        assert name in main.commands


def test_no_description_of_a_command_is_cut_short(run):
    assert "..." not in run("--help").stdout.partition("Commands:")[2]


def test_installed_console_script(tmp_path):
    script = shutil.which("ovr-digits", path=Path(sys.executable).parent)
    if script is None:
        pytest.skip("the package is not installed beside this Python")
    done = subprocess.run(
        [script, "-V"], cwd=tmp_path, env=environment(tmp_path), capture_output=True
    )
    assert done.stdout.decode().startswith("ovr-digits, version ")


# --- wrong usage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["predict"], "IMAGE"),
        (["predict", "--nonsense", "a.png"], "--nonsense"),
        (["predict", "--invert", "maybe", "a.png"], "--invert"),
        (["read", "--threshold", "3", "a.png"], "--threshold"),
        (["nonsense"], "nonsense"),
        (["test", "--count", "0"], "--count"),
        (["test", "--index", "-1"], "--index"),
        (["test", "--dataset", "digits", "--index", "297"], "0..296"),
        (["test", "--seed", "-1"], "--seed"),
        (["data", "show", "--dataset", "digits", "--index", "1500"], "0..1499"),
        (["data", "show", "--index", "3", "--digit", "3"], "--digit"),
        (["data", "show", "--digit", "10"], "--digit"),
        (["data", "--json", "show"], "data show OPTIONS"),
        (["test", "--dataset", "emnist"], "--dataset"),
        (["train", "--limit", "0"], "--limit"),
        (["train", "--epochs", "0"], "--epochs"),
        (["train", "--patience", "0"], "--patience"),
        (["train", "--log", "a.png", "--plot", "a.png"], "a file each"),
        (["train", "--jobs", "0"], "--jobs"),
        (["evaluate", "--jobs", "-2"], "--jobs"),
        (["compare", "a.pkl"], "'B'"),
        (["predict", "--batch", "in"], "--output FILE"),
        (["predict", "a.png", "--scheduler", "tcp://localhost:8786"], "--scheduler: only with"),
        (["predict", "a.png", "--jobs", "2"], "--jobs: only with"),
        (["predict", "a.png", "--batch", "in", "--output", "a.parquet"], "pictures: "),
        *(
            (["predict", "--batch", "in", "--output", "a.parquet", *options], options[0])
            for options in (
                ["--explain", "a.png"],
                ["--save", "a.png"],
                ["--brief"],
                ["--invert", "yes"],
                ["--threshold", "0.5"],
                ["--scheduler", "tcp://localhost:8786", "--jobs", "2"],
            )
        ),
        (["inspect", "--dataset", "emnist"], "--dataset"),
    ],
)
def test_wrong_usage(run, arguments, word):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert word in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train-stream", "--source --augment --scheduler --parts --checkpoint --resume"),
        ("adapt", "--extra --accept-loss --models"),
    ],
)
def test_options_that_moved_to_another_command_say_where(run, command, options):
    told = run("train", "--help").stdout
    for option in options.split():
        for given in ([option], [option, "5"], ["--json", option, "--jobs", "1"]):
            result = run("train", *given)
            assert result.returncode == 2
            assert f"{option} is now for `ovr-digits {command}`" in result.stderr
        assert option not in told


def same_files(folder: Path) -> list[str]:
    """Another spelling of m.png, links to it, and a link to it that leads there before it is."""
    (folder / "m.png").write_bytes(b"what was there")
    (folder / "link.png").symlink_to("m.png")
    (folder / "hard.png").hardlink_to(folder / "m.png")
    (folder / "new-link.png").symlink_to("new.png")
    (folder / "sub").mkdir()
    return [f"{folder}/m.png", "sub/../m.png", "link.png", "hard.png"]


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--output", "m.png", "--log", "*"],
        ["train", "--output", "*", "--plot", "m.png"],
        ["train", "--log", "m.png", "--plot", "*"],
        ["train-stream", "--source", "m.png", "--output", "*"],
        ["predict", "a.png", "--save", "m.png", "--explain", "*"],
        ["predict", "a.png", "*", "--save", "m.png"],
        ["predict", "--batch", "m.png", "--output", "*"],
        ["predict", "--batch", "in", "--models", "m.png", "--output", "*"],
        ["read", "a.png", "*", "--save", "m.png"],
        ["compare", "a.pkl", "*", "--save", "m.png"],
        ["test", "--models", "*", "--save", "m.png"],
        ["evaluate", "--models", "*", "--reliability", "m.png"],
    ],
    ids=" ".join,
)
def test_no_two_outputs_are_one_file_and_none_is_read(run, tmp_path, command):
    for name in same_files(tmp_path):
        arguments = [name if argument == "*" else argument for argument in command]
        result = run(*arguments)
        assert result.returncode == 2, result.stderr
        assert "name one file" in result.stderr
    assert (tmp_path / "m.png").read_bytes() == b"what was there"


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--output", "new.png", "--log", "new-link.png"],
        ["train", "--output", "new.png", "--plot", "sub/../new.png"],
        ["train", "--data-dir", "sub", "--output", "sub/train-images-idx3-ubyte.gz"],
        ["evaluate", "--report", "sub", "--reliability", "sub/votes.png"],
        ["evaluate", "--report", "sub", "--models", "sub/../sub/votes.png"],
        ["inspect", "sub/anchors.png", "--save", "sub"],
    ],
    ids=" ".join,
)
def test_files_that_are_not_there_yet_are_told_apart_too(run, tmp_path, command):
    same_files(tmp_path)
    result = run(*command)
    assert result.returncode == 2, result.stderr
    assert "name one file" in result.stderr


def test_models_may_be_adapted_in_place(run):
    assert_nothing_done(run("adapt", "c", "--models", "m", "--output", "m"), "m: no such file")


# --- pictures that cannot be read --------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_named(run, tmp_path):
    (tmp_path / "folder").mkdir()
    contents = {
        "empty.png": b"",
        "text.png": b"This is no picture.\n",
        "cut.png": (EXAMPLES / "two.png").read_bytes()[:2000],
        "dot.png": png(Image.new("L", (1, 1))),
        "huge.png": png(Image.new("1", (20_000, 6_000))),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name, words in (
        ("empty.png", "empty.png: the file is empty"),
        ("text.png", "text.png: not a picture"),
        ("cut.png", "damaged"),
        ("dot.png", "too small"),
        ("huge.png", "120 megapixels"),
        ("absent.png", "absent.png: no such file"),
        ("folder", "folder: no pictures in this folder"),
        ("x" * 5000, "cannot be read"),
        ("two\nlines\x1b[1m.png", "two?lines?[1m.png: no such file"),
    ):
        assert_nothing_done(run("predict", name), words)


@pytest.mark.parametrize("blank", [("L", 255), ("L", 90), ("RGBA", 0)])
def test_a_blank_picture_is_no_digit(run, tmp_path, blank):
    mode, level = blank
    (tmp_path / "blank.png").write_bytes(png(Image.new(mode, (64, 64), level)))
    (answer,) = objects(run("predict", "blank.png", "--json"))
    assert (answer["verdict"], answer["fired"]) == ("none", [])
    result = run("predict", "blank.png", "--brief", "--explain", "why.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "blank.png: blank: there is no digit on it\n"
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_good_pictures_are_answered_beside_bad_ones(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    paths = [EXAMPLES / "one.png", "bad.png", "absent.png", EXAMPLES / "six.png"]
    result = run("predict", "--brief", *paths)
    assert result.returncode == 1
    assert [re.search(r": (\d)", line)[1] for line in result.stdout.splitlines()] == ["1", "6"]
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["bad.png", "absent.png"]
    result = run("predict", "--json", *paths)
    answers = objects(result, status=1)
    assert [answer["path"] for answer in answers] == [str(path) for path in paths]
    assert [list(answer) for answer in answers[1:3]] == [["path", "error"]] * 2
    assert [answers[0]["digit"], answers[3]["digit"]] == [1, 6]
    assert result.stderr == ""


def test_standard_input(run):
    picture = (EXAMPLES / "five.png").read_bytes()
    (answer,) = objects(run("predict", "-", "--json", stdin=picture))
    assert (answer["path"], answer["digit"]) == ("-", 5)
    assert_one_line(run("predict", "-"), "-: the file is empty")
    (answer,) = objects(run("predict", "-", "--json", stdin=b"nonsense"), status=1)
    assert list(answer) == ["path", "error"]


def test_closed_standard_input(tmp_path):
    assert_one_line(shell("$OVR predict - <&-", tmp_path), "-: the file is empty")


def test_closed_standard_output_and_error(tmp_path):
    """Nothing is said then, least of all in a file that is written at the same time."""
    for command, status in ((f"predict {EXAMPLES / 'two.png'}", 0), ("data --json", 1)):
        closed = shell(f"$OVR {command} >&-", tmp_path)
        assert closed.returncode == status
        assert "Traceback" not in closed.stderr
    train = f"$FEW train {' '.join(QUICK)} --output one.pkl --log log"
    assert shell(f"{train} <&- >&- 2>&-", tmp_path).returncode == 0
    assert load_models(tmp_path / "one.pkl").coef.shape[0] == 10
    assert all(json.loads(line) for line in (tmp_path / "log").read_text().splitlines())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_room_for_the_output(tmp_path):
    result = shell(f"$OVR predict {EXAMPLES / 'two.png'} >/dev/full", tmp_path)
    assert_one_line(result, "cannot go on: No space left on device")
    assert shell("$OVR data --help >/dev/full 2>&1", tmp_path).returncode == 1


def test_a_working_folder_that_is_gone(tmp_path):
    gone = "mkdir gone; cd gone; rmdir ../gone; exec $OVR"
    result = shell(f"{gone} predict --brief {EXAMPLES / 'two.png'}", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    result = shell(f"{gone} train {' '.join(QUICK)}", tmp_path)
    assert_one_line(result, "models.pkl: cannot be written (No such file or directory)")


def test_a_named_pipe_among_the_data_is_not_waited_for(run, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("images-idx3", "labels-idx1"):
        os.mkfifo(tmp_path / "data" / f"t10k-{name}-ubyte")
    assert_one_line(run("evaluate", "--data-dir", "data"), "images", "a named pipe, not a file")
    assert "a named pipe, not a file" in run("data", "--data-dir", "data").stdout


def test_file_names_that_are_no_plain_text(run, tmp_path):
    names = ["цифра 数.png", os.fsdecode(b"\xff\xfe.png"), "$a$b\\frac.png"]
    for name in names:
        shutil.copy(EXAMPLES / "two.png", tmp_path / name)
    for encoding in ("utf-8", "ascii"):
        answers = objects(run("predict", "--json", *names, PYTHONIOENCODING=encoding))
        assert [(answer["path"], answer["digit"]) for answer in answers] == [(n, 2) for n in names]
        assert run("predict", *names, PYTHONIOENCODING=encoding).returncode == 0
    saved = run("predict", "--brief", *names, "--save", "votes.png")
    assert (saved.returncode, saved.stderr) == (0, "")


GIVE_UP = """
import ctypes, os, sys
if os.geteuid() == 0:  # so that permissions apply to root, too
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            sys.exit(77)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""


def test_permissions(tmp_path):
    secret, locked = tmp_path / "secret.png", tmp_path / "locked"
    for path in (secret, tmp_path / "two.png"):
        shutil.copy(EXAMPLES / "two.png", path)
    secret.chmod(0)
    locked.mkdir(mode=0o555)
    refused = {
        ("secret.png", "permission denied"): ["predict", "secret.png"],
        ("locked/x.png", "cannot be written"): ["predict", "two.png", "--save", "locked/x.png"],
        ("locked/m.pkl", "cannot be written"): ["train", *QUICK, "--output", "locked/m.pkl"],
        ("locked", "cannot be written"): ["evaluate", "--report", "locked"],
        ("locked/results", "cannot be written"): ["evaluate", "--report", "locked/results"],
    }
    commands = json.dumps([[{}, command] for command in refused.values()])
    result = execute("-c", GIVE_UP, SEVERAL, commands, folder=tmp_path)
    if result.returncode == 77:
        pytest.skip("root cannot give up its rights here, so that permissions do not apply")
    assert result.stdout.count("status 1") == 5
    for line, (place, reason) in zip(result.stderr.splitlines(), refused, strict=True):
        assert line.startswith(f"ovr-digits: {place}")
        assert reason in line
    assert list(locked.iterdir()) == []


# --- places that cannot be written ------------------------------------------------------------


def test_train_finds_out_at_once_that_its_output_has_no_place(run, tmp_path):
    (tmp_path / "folder").mkdir()
    for output, word in (("absent/m.pkl", "does not exist"), ("folder", "this is a folder")):
        assert_nothing_done(run("train", *QUICK, "--output", output), word)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_full_disk(run, tmp_path):
    old = tmp_path / "models.pkl"
    old.write_bytes(b"what was there")
    with files_of_at_most(16_000):
        result = run("train", *QUICK)
    assert "epoch" not in result.stderr  # which nobody has asked for
    assert_one_line(result, "models.pkl: cannot be written", "too large")
    assert old.read_bytes() == b"what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["models.pkl"]


def test_save_writes_a_picture(run, trained, tmp_path):
    model, _ = trained
    picture = EXAMPLES / "two.png"
    options = ["--dataset", "digits", "--models", model]
    assert run("predict", picture, "--save", "a.png").returncode == 0
    assert run("test", *options, "--count", 4, "--save", "b.png").returncode == 0
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as saved:
            saved.load()
            assert saved.format == "PNG"
            assert min(saved.size) > 300
            assert saved.convert("L").getextrema() == (0, 255)
    assert run("predict", picture, "--save", "c.svg").returncode == 0
    assert (tmp_path / "c.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("name", ["x.xyz", "x.pgf", "x"])
def test_a_picture_in_no_format_is_refused_before_anything_is_done(run, tmp_path, name):
    for command in (
        ["predict", EXAMPLES / "two.png", "--save"],
        ["predict", EXAMPLES / "two.png", "--explain"],
        ["read", EXAMPLES / "two.png", "--save"],
        ["test", "--dataset", "digits", "--save"],
        ["evaluate", "--dataset", "digits", "--reliability"],
        ["train", *QUICK, "--plot"],
        ["data", "show", "--dataset", "digits", "--save"],
        ["data", "summary", "--dataset", "digits", "--save"],
        ["compare", "a.pkl", "b.pkl", "--save"],
    ):
        assert_nothing_done(run(*command, name), f"{name}: no picture format")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(run, tmp_path):
    result = run("predict", "--brief", EXAMPLES / "two.png", "--save", "absent/x.png")
    assert_one_line(result, "absent/x.png: cannot be written")
    assert ": 2 (two)" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", [None, "tkagg", "no-such-backend"])
def test_show_without_a_screen(run, trained, backend):
    settings = {"MPLBACKEND": backend} if backend else {}
    result = run("test", "--dataset", "digits", "--models", trained[0], "--show", **settings)
    assert_one_line(result, "there is no screen")


def test_pictures_are_drawn_whatever_is_said_of_windows_and_styles(run, tmp_path):
    picture = EXAMPLES / "two.png"
    assert run("predict", picture, "--save", "plain.png").returncode == 0
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\n")
    backend = "module://no_such.module"
    command = ("-m", "ovr_digits", "predict", picture, "--save", "other.png")
    result = execute(*command, folder=tmp_path, MPLBACKEND=backend)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "other.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_reader_that_goes_away(trained, tmp_path):
    command = f"$OVR test --dataset digits --models {trained[0]} --count 100 | head -n 1"
    result = shell(command, tmp_path)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


# --- learning curves --------------------------------------------------------------------------


def test_curves_are_logged_told_and_drawn(training_run, trained):
    (folder, result), (_, said) = training_run, trained
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["copies"]) for line in lines] == [(1, 3), (2, 3), (3, 3)]
    for line in lines:
        for part in (line["train"], line["validation"]):
            assert len(part["detector_loss"]) == len(part["detector_accuracy"]) == 10
            assert part["loss"] == pytest.approx(np.mean(part["detector_loss"]), abs=2e-6)
            assert all(0 <= share <= 1 for share in (part["accuracy"], *part["detector_accuracy"]))
    assert lines[-1]["train"]["loss"] < lines[0]["train"]["loss"]
    assert lines[-1]["train"]["accuracy"] > 0.95
    assert lines[-1]["validation"]["accuracy"] == said["validation_accuracy"]
    told = [line.split() for line in result.stderr.splitlines() if re.match(r" +\d \d", line)]
    assert [row[0] for row in told] == ["1", "2", "3"]
    assert max(map(len, result.stderr.splitlines())) < 80
    with Image.open(folder / "curves.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 600


def test_patience_stops_early_and_keeps_the_best_epoch(run, tmp_path):
    options = [*SMALL, "--preset", "fast"]
    (said,) = objects(run("train", *options, "--patience", 2, "--log", "log.jsonl", "--json"))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    best = min(lines, key=lambda line: line["validation"]["loss"])
    assert len(lines) == best["epoch"] + 2 < 50
    assert said["options"]["patience"] == 2
    assert said["options"]["kept_epoch"] == best["epoch"]
    assert said["validation_accuracy"] == best["validation"]["accuracy"]
    told = run("train", *options, "--epochs", best["epoch"], "--patience", 9, "--output", "b.pkl")
    assert f"epoch {best['epoch']} of {best['epoch']} is kept" in told.stdout
    one, other = (load_models(tmp_path / name) for name in ("models.pkl", "b.pkl"))
    np.testing.assert_array_equal(one.coef, other.coef)
    np.testing.assert_array_equal(one.intercept, other.intercept)


def test_epochs_are_a_table_on_a_terminal(tmp_path):
    command = ("train", *QUICK, "--patience", 1, "--epochs", 2)
    shown = on_a_terminal(tmp_path, *command, start=[str(FEW_FEATURES)])
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown)
    lines = [line for line in re.split(r"[\r\n]+", plain) if line]
    assert max(map(len, lines)) <= 80
    start = next(k for k, line in enumerate(lines) if line.startswith("epoch "))
    heading, digits, *rows = lines[start:]
    assert heading.split()[:2] == ["epoch", "loss"]
    assert digits.split() == ["seen", "held", "seen", "held", *"0123456789"]
    numbers = [row.split() for row in rows if re.match(r" +\d+ \d\.\d{5} ", row)]
    assert [row[0] for row in numbers] == ["1", "2"]
    assert {len(row) for row in numbers} == {15}


def test_curves_that_cannot_be_written(run, tmp_path):
    for options, words in (
        (["--plot", "absent/x.png"], ["absent", "does not exist"]),
        (["--log", "absent/log.jsonl"], ["absent", "does not exist"]),
        (["--log", tmp_path], ["this is a folder"]),
    ):
        assert_nothing_done(run("train", *QUICK, *options), *words)
    assert list(tmp_path.iterdir()) == []


# --- data that is missing or wrong ------------------------------------------------------------


def test_no_data_and_no_network(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = {
            "OVR_DIGITS_MIRRORS": f"http://127.0.0.1:{taken.getsockname()[1]}/",
            "no_proxy": "127.0.0.1",
        }
        for command in (["test"], ["train"]):
            result = run(*command, **settings)
            assert_one_line(result, "could not be downloaded", "--dataset digits", "OpenML")
            assert result.stdout == ""
    assert not list(tmp_path.rglob("*.gz"))
    assert not list(tmp_path.rglob("*.pkl"))


def write_idx(folder: Path, name: str, array: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))


def test_wrong_data_folders(run, tmp_path):
    images, labels = np.zeros((5, 28, 28), np.uint8), np.zeros(5, np.uint8)
    empty, lacking, unequal, wrong = (tmp_path / name for name in "abcd")
    empty.mkdir()
    write_idx(lacking, "t10k-images-idx3-ubyte", images)
    write_idx(unequal, "t10k-images-idx3-ubyte", images)
    write_idx(unequal, "t10k-labels-idx1-ubyte", labels[:4])
    write_idx(wrong, "t10k-images-idx3-ubyte", images)
    write_idx(wrong, "t10k-labels-idx1-ubyte", labels)
    for folder, words in (
        (tmp_path / "absent", ["no such folder"]),
        (empty, ["lacks", "t10k-images", "t10k-labels"]),
        (lacking, ["lacks t10k-labels"]),
        (unequal, ["5 images", "4 labels"]),
        (wrong, ["wrong bytes"]),
    ):
        assert_one_line(run("evaluate", "--data-dir", folder), str(folder), *words)
    assert_one_line(run("test", OVR_DIGITS_DATA=str(lacking)), "OVR_DIGITS_DATA", "lacks")


def test_models_that_are_no_models(run, tmp_path):
    (tmp_path / "models.pkl").write_bytes(b"nonsense")
    picture = EXAMPLES / "two.png"
    assert_one_line(run("predict", picture), "models.pkl: ")
    assert_one_line(run("predict", picture, "--models", "absent.pkl"), "absent.pkl: no such file")


def test_too_few_images(run):
    result = run("train", "--dataset", "digits", "--limit", 59)
    assert_one_line(result, "59 training images are too few")


def test_a_digit_that_does_not_occur(monkeypatch, tmp_path):
    y = (np.arange(600) % 7).astype(np.uint8)

    def load_split(dataset: Any, part: Any, *_: object) -> Split:
        return Split(np.zeros((len(y), 784), np.uint8), y, dataset, part, "here", "0")

    monkeypatch.setattr(training, "load_split", load_split)
    options = training.TrainingOptions(dataset="digits", output=tmp_path / "models.pkl")
    with pytest.raises(DigitsError, match=r"hold no digit 7, 8, 9"):
        training.train(options)
    assert list(tmp_path.iterdir()) == []


# --- Ctrl-C -----------------------------------------------------------------------------------


@pytest.fixture
def begin_training(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin ``train``; a shell may have told us, and so it, to ignore Ctrl-C."""
    begun = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        code = (
            "import signal, sys\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from few_features import main\n"
            "print('begun', flush=True)\n"
            "main(['train', *sys.argv[1:]], prog_name='ovr-digits')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, *QUICK, *arguments],
            cwd=tmp_path,
            env=environment(tmp_path, PYTHONPATH=str(FEW_FEATURES.parent)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_interrupt_leaves_everything_as_it_was(tmp_path, begin_training):
    old = tmp_path / "models.pkl"
    old.write_bytes(b"what was there")
    process = begin_training()
    first = process.stderr.readline()  # the first stage is done, and the next begun
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert_one_line(Result([], process.returncode, out, first + err), "interrupted")
    assert out == ""
    assert old.read_bytes() == b"what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["models.pkl"]


def test_interrupt_leaves_whole_lines_of_the_log(tmp_path, begin_training):
    old, log, plot = (tmp_path / name for name in ("models.pkl", "log.jsonl", "curves.png"))
    for path in (old, plot):
        path.write_bytes(b"what was there")
    process = begin_training("--log", log.name, "--plot", plot.name, "--epochs", "1000")
    while not log.exists() or log.read_text().count("\n") < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert_one_line(Result([], process.returncode, out, err), "interrupted")
    text = log.read_text()
    assert text.endswith("}\n")
    epochs = [json.loads(line)["epoch"] for line in text.splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    assert old.read_bytes() == plot.read_bytes() == b"what was there"
    assert set(tmp_path.iterdir()) == {old, log, plot}


def test_interrupt_before_the_command_line_is_imported(tmp_path):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    begin = (
        "import runpy, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runpy.run_module('ovr_digits', run_name='__main__')"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    result = execute("-c", begin, "--version", folder=tmp_path, PYTHONPATH=path)
    assert_one_line(result, "interrupted")
    assert len(result.stderr.splitlines()) == 1


def test_train_does_not_replace_what_is_no_regular_file(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = run("train", "--dataset", "digits", "--output", pipe)
    assert_nothing_done(result, "not a regular file")
    assert pipe.is_fifo()
