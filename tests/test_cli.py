"""The installed command, run as people run it: in a process of its own, in an empty folder."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ovr_digits.cli import main
from ovr_digits.cli.terminal import confusion_lines
from ovr_digits.core.evaluation import Evaluation
from ovr_digits.data.idx import idx_bytes
from ovr_digits.data.splits import Split
from ovr_digits.errors import DigitsError
from ovr_digits.learn import training

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

NUMBERS = {"confidence", "votes", "scores"}
VOTE_KEYS = ["digit", "confidence", "verdict", "fired", "votes", "scores"]
SMALL = ["--dataset", "digits", "--limit", "300", "--seed", "5"]
QUICK = ["--dataset", "digits", "--limit", "100", "--epochs", "1"]

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """An environment with no data of the user's and no network: every proxy is a closed port."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("OVR_DIGITS_") and key not in unwanted and "proxy" not in key.lower()
    }
    kept |= {"OVR_DIGITS_CACHE": str(folder / "cache"), "PYTHONIOENCODING": "utf-8"}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        kept[name] = kept[name.upper()] = "http://127.0.0.1:9"
    return kept | {"TERM": "xterm-256color"} | settings


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``ovr-digits`` in an empty folder; keyword arguments are environment variables."""

    def call(*arguments: object, stdin: bytes | None = None, **settings: str) -> Result:
        return execute("-m", "ovr_digits", *arguments, folder=tmp_path, stdin=stdin, **settings)

    return call


def execute(
    *arguments: object, folder: Path, stdin: bytes | None = None, **settings: str
) -> Result:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **settings),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Result(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def objects(result: Result, status: int = 0) -> list[dict[str, Any]]:
    """The JSON objects on stdout, which holds nothing else."""
    assert result.returncode == status, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_one_line(result: Result, *words: str) -> None:
    """Status 1, and one line on stderr that tells why."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("ovr-digits: ")]
    assert result.stderr.splitlines()[-1] == line
    for word in words:
        assert word in line


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A models.pkl trained on the bundled digits, and what ``train --json`` said of it."""
    folder = tmp_path_factory.mktemp("trained")
    result = execute(
        *("-m", "ovr_digits", "train", *SMALL, "--output", "mine.pkl", "--json"),
        folder=folder,
    )
    (said,) = objects(result)
    assert [path.name for path in folder.iterdir()] == ["mine.pkl"]
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
    }
    assert said["validation_accuracy"] > 0.9
    (found,) = objects(run("evaluate", "--dataset", "digits", "--models", model, "--json"))
    assert_consistent(found)
    assert (found["dataset"], found["split"], found["samples"]) == ("digits", "test", 297)
    assert found["accuracy"] > 0.9
    assert found["accuracy"] == pytest.approx(said["test_accuracy"], abs=1e-6)


def test_evaluate_and_samples_on_mnist(run, mnist_dir):
    result = run("evaluate", "--data-dir", mnist_dir, "--json", "--jobs", 2)
    (found,) = objects(result)
    assert_consistent(found)
    assert (found["dataset"], found["samples"]) == ("mnist", 10_000)
    assert np.array(found["confusion"]).sum(axis=1).max() == 1135
    assert found["accuracy"] > 0.99
    (sample,) = objects(run("test", "--index", 0, "--json", OVR_DIGITS_DATA=str(mnist_dir)))
    assert (sample["label"], sample["digit"]) == (7, 7)


def test_evaluate_draws_how_far_votes_can_be_believed(run, trained, tmp_path):
    options = ["evaluate", "--dataset", "digits", "--models", trained[0], "--reliability"]
    said = run(*options, "votes.png").stdout
    share = re.search(r"^votes are off by (\d+\.\d\d) % on average", said, re.MULTILINE)
    assert 0 < float(share[1]) < 20
    with Image.open(tmp_path / "votes.png") as picture:
        assert picture.format == "PNG"
    assert_one_line(run(*options, "votes.xyz"), "votes.xyz", "no picture format")
    assert not (tmp_path / "votes.xyz").exists()


def test_provenance(trained):
    from ovr_digits.models.modelfile import load_models

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


def test_same_seed_same_votes_through_both_commands(run, trained, tmp_path):
    script = execute(ROOT / "training.py", *SMALL, folder=tmp_path)
    assert script.returncode == 0, script.stderr
    assert "trained on 300 images from scikit-learn's bundled digits" in script.stdout
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


def on_a_terminal(folder: Path, *arguments: object, **settings: str) -> str:
    """What a command prints to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ovr_digits", *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end has gone
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    assert process.wait(60) == 0
    return said.decode()


def test_colour_on_a_terminal_and_none_where_unwanted(tmp_path, trained):
    model, _ = trained
    picture = EXAMPLES / "two.png"
    assert "\x1b[38;5;" in on_a_terminal(tmp_path, "predict", picture)
    assert "\x1b" not in on_a_terminal(tmp_path, "predict", picture, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(tmp_path, "predict", picture, TERM="dumb")
    options = ["evaluate", "--dataset", "digits", "--models", model]
    assert "\x1b[1m" in on_a_terminal(tmp_path, *options)
    plain = on_a_terminal(tmp_path, *options, NO_COLOR="1")
    table = plain[plain.index("digits test set") :]
    assert not re.search(r"\x1b\[[\d;]*m", table)  # progress may still move the cursor
    for options in (["show"], ["show", "--index", 0], ["summary"]):
        command = ["data", *options, "--dataset", "digits"]
        assert "\x1b[38;5;" in on_a_terminal(tmp_path, *command)
        plain = on_a_terminal(tmp_path, *command, NO_COLOR="1")
        assert not re.search(r"\x1b\[[\d;]*m", plain)


def test_help_has_examples_and_imports_little(tmp_path):
    code = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('ovr_digits', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )

    def loaded(*arguments: object) -> set[str]:
        result = execute("-c", code, *arguments, folder=tmp_path)
        assert result.returncode == 0, result.stderr
        return set(result.stdout.splitlines()[-1].split())

    heavy = {"sklearn", "scipy", "matplotlib", "rich", "joblib", "pooch", "pandas"}
    assert not loaded("predict", EXAMPLES / "two.png") & heavy
    assert not loaded("read", EXAMPLES / "two.png") & heavy
    assert not loaded("--help") & (heavy | {"numpy", "PIL"})


COMMANDS = [
    *("predict", "read", "test", "evaluate", "inspect", "compare", "train"),
    *("data", "data download", "data show", "data summary"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(run, command):
    result = run(*command.split(), "--help")
    assert result.returncode == 0
    assert f"ovr-digits {command}" in result.stdout.split("Examples:")[1]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_scripts_take_the_same_options(run, tmp_path):
    def options(text: str) -> str:
        return text[text.index("Options:") :]

    for script, command in (("training.py", "train"), ("testing.py", "test")):
        said = execute(ROOT / script, "--help", folder=tmp_path)
        assert options(said.stdout) == options(run(command, "--help").stdout)
    said = execute(ROOT / "testing.py", "--dataset", "digits", "--seed", 1, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "of the digits test set" in said.stdout


def test_ground_and_threshold_can_be_told(run):
    told = ["--invert", "no", "--threshold", "0.5", "--json"]
    for command in ("predict", "read"):
        (answer,) = objects(run(command, *told, EXAMPLES / "seven.png"))
        assert answer.get("digit", answer.get("text")) in (7, "7")
    # Taken for light ink on dark, the paper between the strokes is read.
    answer = json.loads(run("predict", "--invert", "yes", "--json", EXAMPLES / "seven.png").stdout)
    assert answer.get("verdict") != "sure"


def test_installed_console_script(tmp_path):
    script = shutil.which("ovr-digits", path=Path(sys.executable).parent)
    if script is None:
        pytest.skip("the package is not installed beside this Python")
    done = subprocess.run(
        [script, "--version"], cwd=tmp_path, env=environment(tmp_path), capture_output=True
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
        (["predict", "a.png", "--output", "a.parquet"], "--output: only with"),
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
def test_options_that_moved_to_another_command_say_where(command, options):
    told = CliRunner().invoke(main, ["train", "--help"]).stdout
    for option in options.split():
        for given in ([option], [option, "5"], ["--json", option, "--jobs", "1"]):
            result = CliRunner().invoke(main, ["train", *given])
            assert result.exit_code == 2
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
def test_no_two_outputs_are_one_file_and_none_is_read(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name in same_files(tmp_path):
        arguments = [name if argument == "*" else argument for argument in command]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2, result.output
        assert "name one file" in result.output
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
def test_files_that_are_not_there_yet_are_told_apart_too(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    same_files(tmp_path)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2, result.output
    assert "name one file" in result.output


def test_models_may_be_adapted_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["adapt", "c", "--models", "m", "--output", "m"])
    assert result.exit_code == 1
    assert "name one file" not in result.output


# --- pictures that cannot be read --------------------------------------------------------------


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


BAD_PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.png": (lambda: b"", "empty"),
    "text.png": (lambda: b"This is no picture.\n", "not a picture"),
    "cut.png": (lambda: (EXAMPLES / "two.png").read_bytes()[:2000], "damaged"),
    "dot.png": (lambda: png(Image.new("L", (1, 1))), "too small"),
    "huge.png": (lambda: png(Image.new("1", (20_000, 6_000))), "120 megapixels"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_picture(run, tmp_path, name):
    content, word = BAD_PICTURES[name]
    (tmp_path / name).write_bytes(content())
    result = run("predict", name)
    assert_one_line(result, f"ovr-digits: {name}: ", word)
    assert result.stdout == ""


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


def test_no_such_file_and_a_folder(run, tmp_path):
    (tmp_path / "folder").mkdir()
    assert_one_line(run("predict", "absent.png"), "absent.png: no such file")
    assert_one_line(run("predict", "folder"), "folder: ", "folder")
    assert_one_line(run("predict", "x" * 5000), "cannot be read")
    assert_one_line(run("predict", "two\nlines\x1b[1m.png"), "two?lines?[1m.png: no such file")


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
    result = shell('"$PYTHON" -m ovr_digits predict - <&-', tmp_path)
    assert_one_line(result, "-: the file is empty")


def test_closed_standard_output_and_error(tmp_path):
    """Nothing is said then, least of all in a file that is written at the same time."""
    picture = EXAMPLES / "two.png"
    for command in (f"predict {picture}", f"predict --json {picture}", f"read {picture}", "data"):
        whole = shell(f'"$PYTHON" -m ovr_digits {command} 2>&1', tmp_path)
        closed = shell(f'"$PYTHON" -m ovr_digits {command} >&-', tmp_path)
        assert closed.returncode == whole.returncode
        assert "Traceback" not in closed.stderr
    train = f'"$PYTHON" -m ovr_digits train {" ".join(QUICK)} --json'
    result = shell(f"{train} --output one.pkl 2>&-", tmp_path)
    (said,) = objects(result)
    assert said["output"] == "one.pkl"
    assert shell(f"{train} --output other.pkl --log log <&- >&- 2>&-", tmp_path).returncode == 0
    sizes = [(tmp_path / name).stat().st_size for name in ("one.pkl", "other.pkl")]
    assert abs(sizes[0] - sizes[1]) < 100
    assert all(json.loads(line) for line in (tmp_path / "log").read_text().splitlines())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "command",
    ["predict two.png", "predict --json two.png", "read two.png", "data", "--help", "data --help"],
)
def test_no_room_for_the_output(tmp_path, command):
    shutil.copy(EXAMPLES / "two.png", tmp_path)
    result = shell(f'"$PYTHON" -m ovr_digits {command} >/dev/full', tmp_path)
    assert_one_line(result, "cannot go on: No space left on device")
    assert shell(f'"$PYTHON" -m ovr_digits {command} >/dev/full 2>&1', tmp_path).returncode == 1


def test_a_working_folder_that_is_gone(tmp_path):
    gone = 'mkdir gone; cd gone; rmdir ../gone; exec "$PYTHON" -m ovr_digits'
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


def shell(command: str, folder: Path) -> Result:
    settings = environment(folder, PYTHON=sys.executable)
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=settings, capture_output=True, text=True
    )


def without_privileges(folder: Path, *arguments: object) -> Result:
    """Run the command so that permissions apply to it, to root's too."""
    give_up = (
        "import ctypes, os, sys\n"
        "if os.geteuid() == 0:\n"
        "    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH\n"
        "        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP\n"
        "            sys.exit(77)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'ovr_digits', *sys.argv[1:]])"
    )
    result = execute("-c", give_up, *arguments, folder=folder)
    if result.returncode == 77:
        pytest.skip("root cannot give up its rights here, so that permissions do not apply")
    return result


def test_permissions(tmp_path):
    secret, locked = tmp_path / "secret.png", tmp_path / "locked"
    shutil.copy(EXAMPLES / "two.png", secret)
    shutil.copy(EXAMPLES / "two.png", tmp_path / "two.png")
    secret.chmod(0)
    locked.mkdir(mode=0o555)
    result = without_privileges(tmp_path, "predict", "secret.png")
    assert_one_line(result, "secret.png: permission denied")
    result = without_privileges(tmp_path, "predict", "two.png", "--save", "locked/x.png")
    assert_one_line(result, "locked/x.png: cannot be written")
    result = without_privileges(tmp_path, "train", *QUICK, "--output", "locked/models.pkl")
    assert_one_line(result, "locked/models.pkl: cannot be written")
    for folder in ("locked", "locked/results"):
        result = without_privileges(tmp_path, "evaluate", "--report", folder)
        assert_one_line(result, f"{folder}: cannot be written")
    assert list(locked.iterdir()) == []


# --- places that cannot be written ------------------------------------------------------------


def test_train_finds_out_at_once_that_its_output_has_no_place(run, tmp_path):
    (tmp_path / "folder").mkdir()
    for output, word in (("absent/m.pkl", "does not exist"), ("folder", "this is a folder")):
        result = run("train", *QUICK, "--output", output)
        assert_one_line(result, word)
        assert len(result.stderr.splitlines()) == 1  # no stage has been gone through
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_full_disk(tmp_path):
    old = tmp_path / "models.pkl"
    old.write_bytes(b"what was there")
    command = f'ulimit -f 64; exec "$PYTHON" -m ovr_digits train {" ".join(QUICK)}'
    assert_one_line(shell(command, tmp_path), "models.pkl: cannot be written", "too large")
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
        ["data", "show", "--dataset", "digits", "--save"],
        ["data", "summary", "--dataset", "digits", "--save"],
        ["compare", "a.pkl", "b.pkl", "--save"],
    ):
        result = run(*command, name)
        assert_one_line(result, f"{name}: no picture format")
        assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
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
    for number, backend in enumerate(("no-such-backend", "module://no_such.module")):
        result = run("predict", picture, "--save", f"{number}.png", MPLBACKEND=backend)
        assert (result.returncode, result.stderr) == (0, "")
        drawn = (tmp_path / f"{number}.png").read_bytes()
        assert drawn == (tmp_path / "plain.png").read_bytes()


@pytest.mark.parametrize("form", ["", "--json"])
def test_reader_that_goes_away(trained, tmp_path, form):
    command = (
        f'"$PYTHON" -m ovr_digits test --dataset digits --models {trained[0]} {form} --count 100'
        " | head -n 1"
    )
    result = shell(command, tmp_path)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


# --- learning curves --------------------------------------------------------------------------


def test_curves_are_logged_told_and_drawn(run, trained, tmp_path):
    """And change nothing of what is learnt."""
    from ovr_digits.models.modelfile import load_models

    (tmp_path / "log.jsonl").write_text("of an older run\n" * 9)
    result = run("train", *SMALL, "--log", "log.jsonl", "--plot", "curves.png", "--json")
    (said,) = objects(result)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
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
    assert said["options"] == trained[1]["options"]
    one, other = (load_models(path) for path in (tmp_path / "models.pkl", trained[0]))
    np.testing.assert_array_equal(one.coef, other.coef)
    np.testing.assert_array_equal(one.intercept, other.intercept)
    with Image.open(tmp_path / "curves.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 600


def test_patience_stops_early_and_keeps_the_best_epoch(run, tmp_path):
    from ovr_digits.models.modelfile import load_models

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


def test_epochs_are_a_table_on_a_terminal_and_untold_unless_asked_for(run, tmp_path):
    shown = on_a_terminal(tmp_path, "train", *QUICK, "--patience", 1, "--epochs", 2)
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
    assert "epoch" not in run("train", *QUICK).stderr


def test_curves_that_cannot_be_written(run, tmp_path):
    for options, words in (
        (["--plot", "x.xyz"], ["x.xyz", "no picture format"]),
        (["--plot", "absent/x.png"], ["absent", "does not exist"]),
        (["--log", "absent/log.jsonl"], ["absent", "does not exist"]),
        (["--log", tmp_path], ["this is a folder"]),
    ):
        result = run("train", *QUICK, *options)
        assert_one_line(result, *words)
        assert len(result.stderr.splitlines()) == 1  # before any work
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
            "from ovr_digits.cli import main\n"
            "print('begun', flush=True)\n"
            "main(['train', '--dataset', 'digits', *sys.argv[1:]], prog_name='ovr-digits')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=environment(tmp_path),
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


def test_interrupt_leaves_everything_as_it_was(tmp_path, begin_training):
    old = tmp_path / "models.pkl"
    old.write_bytes(b"what was there")
    process = begin_training()
    first = process.stderr.readline()  # the first stage is done, and the next begun
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
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
    out, err = process.communicate(timeout=30)
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
    result = run("train", "--dataset", "digits", "--output", str(pipe))
    assert result.returncode == 1
    assert "not a regular file" in result.stderr
    assert pipe.is_fifo()
