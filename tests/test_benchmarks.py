"""The benchmarks, run as a person runs them, on the digits inside scikit-learn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are only in the checkout"
)


def run_benchmarks(output: Path, wabbit: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--dataset", "digits"]
    command += ["--cores", "1", "--output", str(output), *options]
    environment = {**os.environ, "PYTHONPATH": str(wabbit)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


# One test, because every contestant costs a few processes.
@pytest.mark.long
def test_contest(tmp_path: Path) -> None:
    output = tmp_path / "results"
    wabbit = tmp_path / "modules"
    wabbit.mkdir()
    (wabbit / "vowpalwabbit.py").write_text("raise ImportError('no such wabbit')")
    done = run_benchmarks(output, wabbit, "--only", "vw", "--only", "sgd", "--only", "logistic")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "[1/3] logistic: " in done.stderr
    assert "[2/3] sgd: " in done.stderr

    # The table shows what the JSON holds.
    content = json.loads((output / "peers-digits-quick.json").read_text())
    about = content["conditions"]
    assert (about["train_samples"], about["test_samples"], about["cores"]) == (1500, 297, 1)
    page = (output / "peers-digits-quick.md").read_text()
    assert "quick run" in page
    for text in (about["processor"], about["versions"]["scikit-learn"], about["date"]):
        assert text in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| **")]
    assert [row[0].split("**")[1] for row in rows] == ["logistic", "sgd"]
    for row, peer in zip(rows, content["peers"], strict=False):
        numbers = [float(cell.rstrip(" |%").replace(",", "")) for cell in row[1:]]
        expected = [
            100 * peer["accuracy"],
            peer["train_wall_seconds"],
            peer["train_cpu_seconds"],
            peer["peak_bytes"] / 1e6,
            peer["model_bytes"] / 1e6,
            peer["cold_seconds"],
            peer["predict_seconds"],
        ]
        tolerances = [0.005, 0.05, 0.05, 0.5, 0.005, 0.005, 0.05]
        for number, value, tolerance in zip(numbers, expected, tolerances, strict=True):
            assert abs(number - value) <= tolerance + 1e-9
        assert peer["accuracy"] == pytest.approx(1 - peer["errors"] / 297)
        assert 0.6 < peer["accuracy"] < 1
        assert peer["peak_bytes"] > 20e6
    assert (output / "peers-digits-quick.png").stat().st_size > 5_000

    # What cannot be imported is named, and not kept.
    assert "**vw** skipped: vowpalwabbit cannot be imported (no such wabbit)" in page
    runs = output / "runs" / "peers-digits-quick"
    before = {path.name: path.read_bytes() for path in runs.iterdir()}
    assert set(before) == {"logistic.json", "sgd.json"}

    # A second run finds the others. This time the wabbit fails: it holds nothing that is used.
    (wabbit / "vowpalwabbit.py").write_text("")
    again = run_benchmarks(output, wabbit, "--only", "sgd", "--only", "vw")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
    assert "(measured before)" in again.stderr
    assert {path.name: path.read_bytes() for path in runs.iterdir()} == before
    peers = json.loads((output / "peers-digits-quick.json").read_text())["peers"]
    assert peers[:2] == content["peers"][:2]
    page = (output / "peers-digits-quick.md").read_text()
    assert "**vw** failed: ImportError: cannot import name 'Workspace'" in page


@pytest.mark.long
def test_speed_sets_the_features_beside_their_matrix_products(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "speed", "--quick", "--dataset", "digits"]
    command += ["--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("speed-*-digits-quick.json")
    found = json.loads(path.read_text())
    assert found["images"] == 297
    ratio = found["features_microseconds"] / found["products_microseconds"]
    assert found["ratio"] == pytest.approx(ratio)
    assert ratio > 0.5
    assert 0 < found["one_image_milliseconds"] < 1000 * found["all_images_seconds"]
    assert 0 < found["drawing_milliseconds"] < found["photo_milliseconds"]
    page = path.with_suffix(".md").read_text()
    assert f"| ratio | {found['ratio']:.2f} |" in page


def test_options_before_a_subcommand_are_not_lost_in_silence(tmp_path: Path) -> None:
    done = run_benchmarks(tmp_path, tmp_path, "scaling")
    assert done.returncode == 2
    assert "put options behind scaling" in done.stderr


@pytest.mark.long
def test_the_service_answers_all_that_is_sent(tmp_path: Path, tiny_models: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.service", "--quick", "--workers", "1"]
    command += ["--rate", "20", "--connections", "4", "--models", str(tiny_models)]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "service-quick.json").read_text())
    page = (tmp_path / "service-quick.md").read_text()
    for found in content["loops"]:
        assert found["errors"] == 0
        assert found["answers"] > 4  # connections, however busy the machine is
        assert found["median_milliseconds"] <= found["p99_milliseconds"]
        assert min(found["memory_mb"]) > 20
        assert f"| **{found['loop']}** | {found['answers_per_second']:.0f} |" in page


def test_answers_are_counted_by_set_and_digit() -> None:
    from benchmarks.hands import added, measure, table_of

    answers = np.array([3, 3, -1, 8, 5]), np.array([True, True, False, True, False])
    result = measure("five", answers, np.array([3, 5, 8, 8, 5]))
    assert (result.digits, result.right, result.sure, result.wrong_and_sure) == (5, 3, 3, 1)
    assert [result.right_of_digit[digit] for digit in (3, 5, 8)] == [1, 1, 1]
    assert [result.of_digit[digit] for digit in (3, 5, 8)] == [1, 2, 2]
    both = added("both", [result, result])
    assert (both.digits, both.wrong_and_sure, both.of_digit[8]) == (10, 2, 4)
    row = "| five | 5 | 60.00 | 60.00 | 20.00 | - | - | - | 100 | - | 50 | - | - | 50 | - |"
    assert row in table_of([result])


def test_a_peer_is_as_often_sure_as_asked_and_never_of_what_it_does_not_read() -> None:
    from benchmarks.hands import as_sure

    confidences = np.arange(100) / 100
    digits = np.full(100, 7)
    _, sure = as_sure(digits, confidences, n_known=100, share=0.8)
    assert np.flatnonzero(sure).tolist() == list(range(20, 100))
    _, sure = as_sure(digits, confidences, n_known=50, share=0.8)
    assert np.flatnonzero(sure).tolist() == list(range(10, 100))
    digits[50:] = -1
    _, sure = as_sure(digits, confidences, n_known=100, share=1.0)
    assert np.flatnonzero(sure).tolist() == list(range(50))


def test_a_peer_that_is_not_installed_tells_what_to_install() -> None:
    from benchmarks.peers import Entry
    from benchmarks.peers.asking import ask

    entry = Entry("a reader", "shipped:RapidOCR", "no_such_reader", wanted="such-a-reader")
    reason = ask(entry, len, "")
    assert isinstance(reason, str)
    assert "no_such_reader cannot be imported" in reason
    assert "pip install such-a-reader" in reason


@pytest.mark.long
@pytest.mark.parametrize("name", ["rapidocr", "digit-recognizer-py"])
def test_a_package_that_reads_digits_reads_drawn_ones(tmp_path: Path, name: str) -> None:
    from benchmarks.data import Data
    from benchmarks.handwriting import make_writer, write
    from benchmarks.peers import READERS
    from benchmarks.peers.asking import ask, read_images
    from ovr_digits.picture.digit import find_form

    rng = np.random.default_rng(0)
    writer = make_writer("test", 0, rng)
    X = np.stack([find_form(write(writer, digit, rng)).ravel() for digit in range(10)])
    entry = READERS[name]
    answers = ask(entry, read_images, name, entry, Data(), tmp_path, X)
    if isinstance(answers, str):
        pytest.skip(answers)
    digits, confidences = answers
    assert (digits == np.arange(10)).sum() >= 5
    assert ((confidences >= 0) & (confidences <= 1)).all()
