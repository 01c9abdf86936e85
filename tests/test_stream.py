"""Training on a stream: the same models whoever does the work, nothing lost and nothing twice."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commandline import Run, assert_one_line, call, environment, few_features_in, objects

from ovr_digits import load_models
from ovr_digits.core.arrays import Array
from ovr_digits.data.idx import write_idx
from ovr_digits.data.splits import load_split
from ovr_digits.learn.presets import PRESETS
from ovr_digits.progress import Progress
from ovr_digits.scale import training
from ovr_digits.scale.checkpoint import Checkpoint
from ovr_digits.scale.part import Learnt
from ovr_digits.scale.training import Course, StreamOptions, train_stream

#: Three rounds of two parts.
N = 800
TRAIN = ("train-stream", "--dataset", "digits", "--preset", "fast", "--parts", "2")
STREAM = (*TRAIN, "--augment", str(N), "--output", "models.pkl", "--json")
CHECKPOINT = ("--checkpoint", "unfinished", "--resume")
#: The command, with as few features as all tests here learn with; after HOLD rounds it waits
#: to be killed.
BEGIN = """
import functools, itertools, os, sys, time
from ovr_digits import PatchKernelFeatures
from ovr_digits.scale import training
from ovr_digits.scale.checkpoint import Checkpoint
training.PatchKernelFeatures = functools.partial(PatchKernelFeatures, n_anchors=(8, 12))
save, numbers = Checkpoint.save, itertools.count(1)
def save_and_hold(*arguments):
    save(*arguments)
    if next(numbers) == int(os.environ.get("HOLD", 0)):
        time.sleep(1_000_000)
Checkpoint.save = save_and_hold
from ovr_digits.cli import main
main(sys.argv[1:], prog_name="ovr-digits")
"""


def weights(path: Path) -> list[Array]:
    models = load_models(path)
    return [models.coef, models.intercept]


def assert_same(path: Path, reference: Path) -> None:
    for one, other in zip(weights(path), weights(reference), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module", autouse=True)
def few_features() -> Iterator[None]:
    """A training takes a second or two."""
    with few_features_in(training, n_anchors=(8, 12)):
        yield


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``ovr-digits`` in this process, in the test's folder."""
    return functools.partial(call, folder=tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process comes to."""
    output = tmp_path_factory.mktemp("undisturbed") / "models.pkl"
    (said,) = objects(call(*STREAM, "--jobs", 1, folder=output.parent))
    assert said["samples"] == N
    assert said["options"]["augment"] == N
    assert said["validation_accuracy"] > 0.9
    assert said["test_accuracy"] > 0.9
    assert list(output.parent.iterdir()) == [output]
    return output


def begun(folder: Path, *arguments: object, hold: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, HOLD=str(hold)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_round(folder: Path, process: subprocess.Popen[str], after: float = 0.0) -> float:
    """Wait until a round is in the checkpoint, written after some time; when it was."""
    path = folder / "unfinished" / "rounds.npz"
    while not (path.exists() and path.stat().st_mtime > after):
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)
    return path.stat().st_mtime


@pytest.mark.xdist_group("cluster")  # where ``undisturbed`` is needed too
@pytest.mark.parametrize(("kills", "jobs"), [(1, 1), pytest.param(3, 2, marks=pytest.mark.long)])
def test_killed_and_resumed_it_comes_to_the_same(run, tmp_path, undisturbed, kills, jobs):
    (tmp_path / "models.pkl").write_bytes(b"of yesterday")
    started = 0.0
    for _ in range(kills):
        process = begun(tmp_path, *STREAM, "--jobs", jobs, *CHECKPOINT, hold=1)
        started = wait_for_round(tmp_path, process, started)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert (tmp_path / "models.pkl").read_bytes() == b"of yesterday"
    refused = run(*STREAM, *CHECKPOINT, "--parts", "3")
    assert_one_line(refused, "parts 2 there, 3 here")
    (said,) = objects(run(*STREAM, "--jobs", jobs, *CHECKPOINT))
    assert said["samples"] == N
    assert_same(tmp_path / "models.pkl", undisturbed)
    provenance = load_models(tmp_path / "models.pkl").provenance
    assert provenance["samples"] == N
    assert provenance["options"]["parts"] == 2


def test_digits_in_a_file_are_learnt_without_their_data_set(run, tmp_path):
    split = load_split("digits", "train")
    write_idx(tmp_path / "train-images-idx3-ubyte", split.X.reshape(-1, 28, 28))
    labels = split.y.copy()
    labels[[3, 700]] = 77
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    command = ("train-stream", "--preset", "fast", "--parts", "2", "--jobs", "1", "--json")
    result = run(*command, "--source", "train-images-idx3-ubyte")
    (said,) = objects(result)
    assert said["samples"] == len(split) - 2
    assert said["test_accuracy"] is None
    assert said["validation_accuracy"] > 0.8
    assert sum("left out: train-images-idx3-ubyte, row" in line for line in lines(result)) == 2
    evaluated = run("evaluate", "--dataset", "digits", "--models", "models.pkl", "--json")
    assert objects(evaluated)[0]["accuracy"] > 0.8


def test_digits_on_white_paper_and_blank_scans_are_learnt_from(tmp_path):
    """As those on black paper are, but for the blank ones, which are named."""
    split = load_split("digits", "train")
    X = 255 - split.X[:600]
    X[[5, 300]] = 255
    write_idx(tmp_path / "white-images-idx3-ubyte", X.reshape(-1, 28, 28))
    write_idx(tmp_path / "white-labels-idx1-ubyte", split.y[:600])
    notes: list[str] = []

    class Noted(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    options = StreamOptions(
        source=tmp_path / "white-images-idx3-ubyte",
        output=tmp_path / "models.pkl",
        preset=PRESETS["fast"],
        parts=2,
        n_jobs=1,
    )
    result = train_stream(options, Noted())
    assert result.samples == 598
    assert result.validation_accuracy > 0.8
    assert len(notes) == 2
    assert all(line.endswith(": blank: there is no digit on it") for line in notes)


def test_a_source_without_labels_that_are_digits_is_refused(run, tmp_path):
    split = load_split("digits", "train")
    write_idx(tmp_path / "some-images-idx3-ubyte", split.X.reshape(-1, 28, 28))
    write_idx(tmp_path / "some-labels-idx1-ubyte", np.full(len(split), 99, np.uint8))
    result = run("train-stream", "--source", "some-images-idx3-ubyte", "--jobs", "1")
    assert_one_line(result, "nothing can be learnt from", "are left out", "its label is 99")


def test_what_is_learnt_from_is_not_replaced(run, tmp_path):
    labels = tmp_path / "some-labels-idx1-ubyte"
    write_idx(tmp_path / "some-images-idx3-ubyte", np.zeros((9, 28, 28), np.uint8))
    write_idx(labels, np.arange(9, dtype=np.uint8))
    before = labels.read_bytes()
    for source in ("some-images-idx3-ubyte", "."):
        result = run("train-stream", "--source", source, "--output", labels.name)
        assert_one_line(result, labels.name, "is of what is to be learnt from")
    assert labels.read_bytes() == before


def lines(result: object) -> list[str]:
    return str(result.stderr).splitlines()  # type: ignore[attr-defined]


def test_a_round_of_nothing_but_damage_changes_nothing():
    weights = [np.ones((10, 3), np.float32)]
    course = Course(Checkpoint(), Progress())
    course.end_round([Learnt(weights, 100, ()), Learnt(weights, 50, ())])
    course.end_round([Learnt(weights, 0, ("row 1: damaged",)), Learnt(weights, 0, ())])
    assert course.n_digits == 150
    np.testing.assert_array_equal(course.mean[0], weights[0])


def test_a_source_without_one_of_the_digits_is_refused(run, tmp_path):
    split = load_split("digits", "train")
    rows = split.y != 4
    write_idx(tmp_path / "some-images-idx3-ubyte", split.X[rows].reshape(-1, 28, 28))
    write_idx(tmp_path / "some-labels-idx1-ubyte", split.y[rows])
    result = run("train-stream", "--source", "some-images-idx3-ubyte", "--jobs", "1")
    assert_one_line(result, "no digit 4")
    assert not (tmp_path / "models.pkl").exists()


def test_too_few_digits_are_refused(run, tmp_path):
    write_idx(tmp_path / "few-images-idx3-ubyte", np.zeros((9, 28, 28), np.uint8))
    write_idx(tmp_path / "few-labels-idx1-ubyte", np.arange(9, dtype=np.uint8))
    result = run("train-stream", "--source", "few-images-idx3-ubyte", "--jobs", "1")
    assert_one_line(result, "9 images are too few")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--source", "x", "--dataset", "digits"), "--dataset"),
        (("--augment", "5000", "--resume"), "--checkpoint DIR"),
    ],
)
def test_options_that_make_no_sense_together(run, options, said):
    result = run("train-stream", *options)
    assert result.returncode == 2
    assert said in result.stderr


def test_an_absent_source_is_told(run):
    assert_one_line(run("train-stream", "--source", "absent"), "absent: no such file")


# --- a cluster of separate processes ----------------------------------------------------------


@pytest.mark.long
@pytest.mark.xdist_group("cluster")
def test_a_cluster_comes_to_the_same(run, tmp_path, undisturbed, two_workers):
    objects(run(*STREAM, "--scheduler", two_workers.address))
    assert_same(tmp_path / "models.pkl", undisturbed)


@pytest.mark.long
def test_a_cluster_whose_parts_are_killed_comes_to_the_same(run, tmp_path):
    pytest.importorskip("distributed", reason="needs Dask: pip install 'ovr-digits[dask]'")
    from cluster import Cluster

    n = 12 * N  # so that the cluster is still at work when its scheduler is killed
    stream = (*STREAM, "--augment", n)
    objects(run(*stream, "--jobs", 1, "--output", "undisturbed.pkl"))
    with Cluster(2) as cluster:
        command = (*stream, "--scheduler", cluster.address, *CHECKPOINT)
        process = begun(tmp_path, *command)
        started = wait_for_round(tmp_path, process)
        cluster.kill_worker(0)
        wait_for_round(tmp_path, process, started)
        cluster.kill_scheduler()
        _, errors = process.communicate(timeout=180)
        assert process.returncode == 1
        (line,) = [line for line in errors.splitlines() if not line.endswith(" s")]
        assert "--resume" in line
        assert not (tmp_path / "models.pkl").exists()
        cluster.start_scheduler()
        cluster.add_worker()
        process = begun(tmp_path, *command)
        out, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert json.loads(out)["samples"] == n
    assert_same(tmp_path / "models.pkl", tmp_path / "undisturbed.pkl")
