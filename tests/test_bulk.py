"""Bulk prediction: the real command on real files, disturbed in many ways."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from commandline import (
    EXAMPLES,
    Result,
    assert_one_line,
    call,
    environment,
    files_of_at_most,
    on_a_terminal,
    png,
)
from PIL import Image

import ovr_digits
from ovr_digits.core.vote import VERDICTS, count_votes
from ovr_digits.data.idx import write_idx
from ovr_digits.data.splits import load_split
from ovr_digits.files import locked
from ovr_digits.models.modelfile import load_models
from ovr_digits.picture.digit import read_sample
from ovr_digits.progress import Progress
from ovr_digits.scale import bulk
from ovr_digits.scale.answers_file import Shards
from ovr_digits.scale.bulk import answer_piece, predict_batch
from ovr_digits.scale.sources import idx
from ovr_digits.scale.sources.opening import open_source

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'ovr-digits[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")

SHIPPED = Path(__file__).parent.parent / "models.pkl"
COLUMNS = ["file", "row", "label", "digit", "confidence", "verdict", "fired", "votes", "error"]
OUTPUT, PARTIAL = "answers.parquet", "answers.parquet.partial"
#: Digits in a piece of IDX here, and in four of them.
PIECE = 64
N_MANY = 4 * PIECE
#: Keeps each piece as soon as it is finished, stands still when there are HOLD of them, and hears
#: Ctrl-C whatever a shell has told it.
BEGIN = f"""
import itertools, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from ovr_digits.scale import bulk
from ovr_digits.scale.answers_file import Shards
from ovr_digits.scale.sources import idx
bulk._SHARD_SECONDS, idx.PIECE = 0, {PIECE}
write, numbers = Shards.write, itertools.count(1)
def write_and_hold(*arguments):
    write(*arguments)
    if next(numbers) == int(os.environ.get("HOLD", 0)):
        open("in/held", "x").close()
        time.sleep(1_000_000)
Shards.write = write_and_hold
from ovr_digits.cli import main
main(sys.argv[1:], prog_name="ovr-digits")
"""


def digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """n digits (n, 784) of those inside scikit-learn, over and over, and their labels.

    Every fourth has another one on it, so that the detectors disagree.
    """
    split = load_split("digits", "train")
    places = np.arange(n) % len(split)
    X = split.X[places]
    X[::4] = np.maximum(X[::4], split.X[places[::4] - 1])
    return X, split.y[places]


def write_pair(folder: Path, n: int) -> Path:
    """n digits as IDX; gives the file of images."""
    X, y = digits(n)
    folder.mkdir(exist_ok=True)
    images = folder / "some-images-idx3-ubyte"
    write_idx(images, X.reshape(-1, 28, 28))
    write_idx(folder / "some-labels-idx1-ubyte", y)
    return images


def small_png(image: np.ndarray) -> bytes:
    return png(Image.fromarray(image.reshape(28, 28)))


def command(source: object, models: Path, *options: object) -> list[str]:
    engine = () if {"--jobs", "--scheduler"} & set(options) else ("--jobs", 1)
    fixed = ("predict", "--batch", source, "--output", OUTPUT, "--models", models)
    return [str(argument) for argument in (*fixed, *engine, *options)]


@pytest.fixture
def batch(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run ``predict --batch SOURCE`` with small models in an empty folder, each piece a shard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bulk, "_SHARD_SECONDS", 0)
    monkeypatch.setattr(idx, "PIECE", PIECE)
    return lambda source, *options: call(*command(source, tiny_models, *options), folder=tmp_path)


@pytest.fixture
def begin(tmp_path: Path, tiny_models: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin a run, in a session of its own that ends with the test."""
    begun = []

    def call(source: object, *options: object, hold: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", BEGIN, *command(source, tiny_models, *options)],
            cwd=tmp_path,
            env=environment(tmp_path, HOLD=str(hold)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield call
    for process in begun:
        end(process, signal.SIGKILL)
        process.communicate()


def end(process: subprocess.Popen[str], how: int) -> None:
    """Send a signal to all processes of a run, as a terminal does."""
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        assert process.poll() is not None


def wait_for(process: subprocess.Popen[str], is_there: Callable[[], object]) -> None:
    while process.poll() is None and not is_there():
        time.sleep(0.002)


def n_shards(folder: Path) -> int:
    return len(list((folder / PARTIAL).glob("*-*.parquet")))


def answers(result: Result, folder: Path) -> pa.Table:
    """The answers of a run that went well, and left nothing else behind."""
    assert result.returncode == 0, result.stderr
    assert not (folder / PARTIAL).exists()
    return pq.read_table(folder / OUTPUT)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> bytes:
    """What a run writes to which nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idx, "PIECE", PIECE)
        predict_batch(write_pair(folder / "in", N_MANY), folder / OUTPUT, tiny_models, n_jobs=1)
    assert pq.read_table(folder / OUTPUT)["row"].to_pylist() == list(range(N_MANY))
    return (folder / OUTPUT).read_bytes()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A source of many pieces."""
    return write_pair(tmp_path / "in", N_MANY)


# --- the answers ------------------------------------------------------------------------------


def test_all_formats_give_the_votes_of_the_detectors(batch, tmp_path, tiny_models):
    X, y = digits(60)
    write_pair(tmp_path / "idx", 60)
    (tmp_path / "png").mkdir()
    for number, image in enumerate(X):
        (tmp_path / "png" / f"{number:03}.png").write_bytes(small_png(image))
    (tmp_path / "hub").mkdir()
    rows = [
        {"image": {"bytes": small_png(image), "path": None}, "label": label}
        for image, label in zip(X, y.tolist(), strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hub" / "train-0.parquet")

    forms = [read_sample(small_png(image)).ravel() for image in X]
    votes = count_votes(load_models(tiny_models).decision_function(np.array(forms)))
    assert {vote.verdict for vote in votes} == set(VERDICTS)
    for source in ("idx", "png", "hub"):
        found = answers(batch(source), tmp_path)
        in_rows = source != "png"
        assert found.column_names == [c for c in COLUMNS if in_rows or c != "label"]
        for number, (line, vote) in enumerate(zip(found.to_pylist(), votes, strict=True)):
            assert line["digit"] == vote.digit
            assert line["verdict"] == vote.verdict
            assert line["fired"] == list(vote.fired)
            assert line["votes"] == pytest.approx(vote.votes, abs=1e-5)
            assert line["confidence"] == line["votes"][vote.digit]
            assert line["error"] is None
            assert line["row"] == (number if in_rows else None)
            assert line["file"] == {
                "idx": "some-images-idx3-ubyte",
                "png": f"{number:03}.png",
                "hub": "train-0.parquet",
            }.get(source)
            assert not in_rows or line["label"] == y[number]


def test_types_of_the_columns(batch, tmp_path):
    schema = answers(batch(write_pair(tmp_path / "in", 5)), tmp_path).schema
    types = {field.name: str(field.type) for field in schema}
    assert types.pop("verdict").startswith("dictionary<values=string")
    assert list(types.values()) == [
        *("string", "int64", "int8", "int8", "float"),
        *("list<element: int8>", "fixed_size_list<element: float>[10]", "string"),
    ]


def test_pictures_get_the_answers_of_predict(batch, tmp_path, tiny_models):
    pictures = sorted(EXAMPLES.glob("*.png"))
    (tmp_path / "in" / "more").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        shutil.copy(picture, tmp_path / "in" / ("more" if number % 2 else "") / picture.name)
    found = answers(batch("in", "--jobs", 2), tmp_path).to_pylist()
    assert len(found) == len(pictures)
    paths = [Path("in", line["file"]) for line in found]
    told = call(
        "predict", *paths, "--models", tiny_models, "--json", folder=tmp_path
    ).stdout.splitlines()
    for line, answer in zip(found, map(json.loads, told), strict=True):
        for key in ("digit", "verdict", "fired"):
            assert line[key] == answer[key]
        for key in ("confidence", "votes"):
            assert line[key] == pytest.approx(answer[key], abs=3e-6)  # of six places
        assert line["row"] is None


def test_accuracy_is_that_of_evaluate(batch, tmp_path, tiny_models):
    split = load_split("digits", "test")
    write_idx(tmp_path / "t10k-images-idx3-ubyte", split.X.reshape(-1, 28, 28))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", split.y)
    result = batch("t10k-images-idx3-ubyte", "--json")
    assert len(answers(result, tmp_path)) == len(split)
    (told,) = map(json.loads, result.stdout.splitlines())
    options = ("--dataset", "digits", "--models", tiny_models, "--jobs", 1, "--json")
    evaluated = json.loads(call("evaluate", *options, folder=tmp_path).stdout)
    assert told["accuracy"] == evaluated["accuracy"]
    assert told["digits"] == evaluated["samples"]
    assert told["errors"] == told["earlier"] == 0
    assert told["output"] == OUTPUT
    assert told["per_second"] == pytest.approx(len(split) / told["seconds"], rel=0.01)


def test_what_travels_is_small(tmp_path, tiny_models):
    models = load_models(tiny_models)
    piece = open_source(write_pair(tmp_path, 1024), labelled=False).pieces[0]
    assert len(pickle.dumps(piece)) < 2 * 1024
    assert len(pickle.dumps(answer_piece(models, piece))) < 80 * 1024


def test_text_is_narrow_and_tells_how_it_went(batch, tmp_path, tiny_models):
    write_pair(tmp_path / "in", 100)
    result = batch("in")
    text = result.stdout.splitlines()
    assert text[0] == "100 digits from in"
    assert re.fullmatch(r"\d\d\.\d\d % of the 100 with a label are right", text[1])
    assert re.fullmatch(r"\d+(\.\d)? s, [\d,]+ digits? per second", text[2])
    assert text[3:] == [f"written to {OUTPUT}"]
    shown = on_a_terminal(tmp_path, *command("in", tiny_models))
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    assert max(map(len, re.split(r"[\r\n]+", plain))) <= 80
    assert text[0] in plain


# --- what cannot be read ----------------------------------------------------------------------


def test_bad_pictures_are_listed_and_the_others_answered(batch, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = sorted(EXAMPLES.glob("*.png"))[:3]
    for picture in good:
        shutil.copy(picture, folder)
    for number in range(22):
        (folder / f"bad-{number:02}.png").write_bytes(good[0].read_bytes()[: 100 * number])
    result = batch("in")
    assert result.returncode == 1
    assert not (tmp_path / PARTIAL).exists()
    listed = [line for line in result.stderr.splitlines() if line.startswith("ovr-digits: ")]
    assert len(listed) == 21
    assert listed[0] == "ovr-digits: bad-00.png: the file is empty"
    assert "and 2 more" in listed[-1]
    assert "22 could not be read" in result.stdout
    lines = {line["file"]: line for line in pq.read_table(tmp_path / OUTPUT).to_pylist()}
    assert len(lines) == 25
    for name, line in lines.items():
        is_bad = name.startswith("bad")
        assert (line["error"] is not None) == is_bad
        for key in ("digit", "confidence", "verdict", "fired"):
            assert (line[key] is None) == is_bad
        assert len(line["votes"]) == 10
        assert (line["votes"] == [None] * 10) == is_bad


def test_sources_that_are_none(batch, tmp_path):
    assert_one_line(batch("absent"), "absent: no such file")
    (tmp_path / "empty").mkdir()
    assert_one_line(batch("empty"), "empty")
    assert {path.name for path in tmp_path.iterdir()} == {"empty"}


def test_models_that_are_none(batch, tmp_path):
    source = write_pair(tmp_path / "in", 5)
    (tmp_path / "models.pkl").write_bytes(b"what is this?")
    assert_one_line(batch(source, "--models", "models.pkl"), "models.pkl: not a models.pkl")
    assert not (tmp_path / PARTIAL).exists()


def test_a_source_that_is_refused_leaves_nothing_behind(batch, tmp_path):
    data = small_png(digits(1)[0][0])
    table = pa.Table.from_arrays([pa.array([data]), pa.array([data])], ["image", "image"])
    pq.write_table(table, tmp_path / "two.parquet")
    assert_one_line(batch("two.parquet"), "two.parquet: has more than one column image")
    assert [path.name for path in tmp_path.iterdir()] == ["two.parquet"]


@pytest.mark.parametrize("label", [True, "seven"])
def test_labels_that_are_not_used_are_told(batch, tmp_path, label):
    table = pa.table({"image": [small_png(digits(1)[0][0])], "label": [label]})
    pq.write_table(table, tmp_path / "some.parquet")
    result = batch("some.parquet")
    answers(result, tmp_path)
    assert result.stderr.count("labels are not used") == 1


def test_names_that_differ_in_bytes_stay_apart(batch, tmp_path):
    (tmp_path / "in").mkdir()
    for name in (b"a\xff.png", rb"a\xff.png", b"a\xfe.png"):
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_bytes(
            small_png(digits(1)[0][0])
        )
    found = answers(batch("in"), tmp_path)["file"].to_pylist()
    assert sorted(found) == sorted([r"a\xff.png", r"a\\xff.png", r"a\xfe.png"])


def test_work_in_which_nothing_is_finished_is_in_nobodys_way(tmp_path):
    shards = Shards(tmp_path / OUTPUT, pa.schema([]))
    with pytest.raises(RuntimeError), shards.opened({"source": "a"}):
        raise RuntimeError
    assert not shards.folder.exists()
    with shards.opened({"source": "a"}):
        pass
    assert shards.folder.exists()
    with shards.opened({"source": "b"}):
        shards.remove()


# --- runs that are ended ----------------------------------------------------------------------


def test_killed_it_goes_on_to_the_same_and_leaves_nothing(
    begin, batch, many, undisturbed, tmp_path, monkeypatch
):
    place = tmp_path / "temporary"
    (place / "ovr-digits-run-of-somebody").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(place))
    process = begin(many, "--jobs", 2, hold=2)
    wait_for(process, lambda: n_shards(tmp_path) == 2)
    process.kill()
    process.communicate()  # its workers have the same streams, and end too
    assert list(place.glob("ovr-digits-run-*/ovr-digits-*"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    answers(batch(many), tmp_path)
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {"in", "temporary", OUTPUT}
    assert [path.name for path in place.iterdir()] == ["ovr-digits-run-of-somebody"]


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same(
    begin, batch, many, undisturbed, tmp_path, jobs
):
    moments: list[Callable[[], object]] = [
        (tmp_path / PARTIAL).exists,
        lambda: n_shards(tmp_path) >= 1,
        lambda: n_shards(tmp_path) >= 3,
        lambda: list(tmp_path.glob(f".{OUTPUT}.*.part")),
    ]
    for moment in moments:
        process = begin(many, "--jobs", jobs)
        wait_for(process, moment)
        process.kill()
        process.communicate()
    answers(batch(many, "--jobs", jobs), tmp_path)
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {"in", OUTPUT}


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.long)])
def test_interrupted_it_goes_on_to_the_same(begin, batch, many, undisturbed, tmp_path, jobs):
    (tmp_path / OUTPUT).write_bytes(b"what was there")
    process = begin(many, "--jobs", jobs, hold=2)
    wait_for(process, (tmp_path / "in" / "held").exists)
    end(process, signal.SIGINT)
    out, err = process.communicate()
    assert_one_line(Result([], process.returncode, out, err), "interrupted")
    assert out == ""
    assert (tmp_path / OUTPUT).read_bytes() == b"what was there"
    assert n_shards(tmp_path) == 2
    result = batch(many, "--json")
    answers(result, tmp_path)
    assert json.loads(result.stdout)["earlier"] == 2 * PIECE
    assert "going on after" in result.stderr
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed


def test_another_run_at_work_is_not_disturbed(batch, many, unfinished, tmp_path):
    there = sorted((tmp_path / PARTIAL).iterdir())
    with locked(tmp_path / PARTIAL / "lock"):
        assert_one_line(batch(many), PARTIAL, "another run is at work")
    assert sorted((tmp_path / PARTIAL).iterdir()) == there


@pytest.mark.xdist_group("cluster")
def test_a_cluster_comes_to_the_same(batch, many, undisturbed, tmp_path, two_workers):
    answers(batch(many, "--scheduler", two_workers.address), tmp_path)
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed


@pytest.mark.long
def test_parts_of_a_cluster_are_killed(begin, batch, tmp_path):
    pytest.importorskip("distributed", reason="needs dask: pip install 'ovr-digits[dask]'")
    from cluster import Cluster

    many = write_pair(tmp_path / "in", 20 * 1024)
    answers(batch(many), tmp_path)
    undisturbed = (tmp_path / OUTPUT).read_bytes()
    with Cluster(2) as cluster:
        process = begin(many, "--scheduler", cluster.address)
        wait_for(process, lambda: n_shards(tmp_path) >= 2)
        cluster.kill_worker()
        wait_for(process, lambda: n_shards(tmp_path) >= 4)
        assert process.poll() is None
        cluster.kill_scheduler()
        out, err = process.communicate(timeout=180)
        # It is gone, or, where it was just asked, has not answered.
        assert_one_line(Result([], process.returncode, out, err), "the Dask", "go on")
        cluster.start_scheduler()
        cluster.add_worker()
        process = begin(many, "--scheduler", cluster.address)
        _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed


# --- folders that are not to be gone on with --------------------------------------------------


@pytest.fixture
def unfinished(batch, many, tiny_models, tmp_path) -> Path:
    """The source of a run that has ended before all was done."""

    class EndedError(Exception):
        pass

    class Ends(Progress):
        def advance(self, n: int = 1) -> None:
            if n_shards(tmp_path) >= 3:
                raise EndedError

    with pytest.raises(EndedError):
        predict_batch(many, Path(OUTPUT), tiny_models, 1, progress=Ends())
    return many


def test_ended_while_it_tidies_up_it_does_again_what_it_lacks(
    batch, unfinished, undisturbed, tmp_path
):
    """The file is there already, and some of the shards are not there any more."""
    min((tmp_path / PARTIAL).glob("*-*.parquet")).unlink()
    (tmp_path / OUTPUT).write_bytes(undisturbed)
    answers(batch(unfinished), tmp_path)
    assert (tmp_path / OUTPUT).read_bytes() == undisturbed


def test_unfinished_work_of_another_request_is_kept(batch, unfinished, tmp_path):
    there = sorted((tmp_path / PARTIAL).glob("*.*"))
    other = write_pair(tmp_path / "other", 5)
    assert_one_line(batch(other), PARTIAL, "another source", "remove the folder")
    shipped = batch(unfinished, "--models", SHIPPED)
    assert_one_line(shipped, PARTIAL, "another models.pkl")
    os.utime(unfinished)
    assert_one_line(batch(unfinished), "another source")
    assert sorted((tmp_path / PARTIAL).glob("*.*")) == there


def test_damage_is_told(batch, unfinished, tmp_path):
    shard = min((tmp_path / PARTIAL).glob("*-*.parquet"))
    sound = shard.read_bytes()
    middle = len(sound) // 2
    for content in (b"", sound[:middle], sound[:middle] + bytes(9) + sound[middle + 9 :]):
        shard.write_bytes(content)
        assert_one_line(batch(unfinished), shard.name, "damaged; remove this file")
    shard.unlink()
    request = tmp_path / PARTIAL / "run.json"
    for content in (b"", b"[]", b"\xff", b"{}", b"[" * 100_000):
        request.write_bytes(content)
        assert_one_line(batch(unfinished), "run.json: damaged")


@pytest.mark.parametrize("name", ["thesis.txt", "0.parquet", "000000000-000000001.parquet"])
def test_a_folder_of_other_things_is_left_alone(batch, tmp_path, name):
    source = write_pair(tmp_path / "in", 5)
    (tmp_path / PARTIAL).mkdir()
    (tmp_path / PARTIAL / name).touch()
    assert_one_line(batch(source), PARTIAL, "other things")
    assert [path.name for path in (tmp_path / PARTIAL).iterdir()] == [name]


# --- places that cannot be written ------------------------------------------------------------


def test_output_that_has_no_place(batch, tmp_path):
    source = write_pair(tmp_path / "in", 5)
    (tmp_path / "folder").mkdir()
    for output, words in (
        ("absent/a.parquet", "does not exist"),
        ("folder", "this is a folder"),
        ("/dev/full", "not a regular file"),
        ("in/a.parquet", "lies in what is to be read"),
    ):
        result = batch("in", "--output", output)
        assert_one_line(result, output, words)
    labels = source.with_name("some-labels-idx1-ubyte")
    assert_one_line(batch(source, "--output", labels), "lies in what is to be read")
    result = batch(source, "--output", source)
    assert result.returncode == 2
    assert "--output and --batch name one file" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in", "folder"}
    assert len(list((tmp_path / "in").iterdir())) == 2


@pytest.mark.parametrize(("kilobytes", "where"), [(5, f"{PARTIAL}/"), (20, OUTPUT)])
def test_full_disk(batch, many, undisturbed, tmp_path, kilobytes, where):
    """There is no room for a shard, or none for the file that they are put together into."""
    old = tmp_path / OUTPUT
    old.write_bytes(b"what was there")
    with files_of_at_most(1000 * kilobytes):
        full = batch(many)
    assert_one_line(full, where, "cannot be written (File too large)", "goes on from there")
    assert old.read_bytes() == b"what was there"
    answers(batch(many), tmp_path)
    assert old.read_bytes() == undisturbed


def test_without_pyarrow(batch, tmp_path, monkeypatch):
    source = write_pair(tmp_path / "in", 5)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(ovr_digits, "scale", ovr_digits.scale)  # which the import below replaces
    for name in [name for name in sys.modules if name.startswith("ovr_digits.scale")]:
        monkeypatch.delitem(sys.modules, name)
    assert_one_line(batch(source), "Parquet", 'pip install "ovr-digits[parquet]"')
