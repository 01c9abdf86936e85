"""``data`` and its commands; small stand-ins pass for MNIST."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from commandline import Result, Run
from PIL import Image

from ovr_digits.cli import terminal
from ovr_digits.data import download, inventory, mnist, splits
from ovr_digits.data.idx import idx_bytes
from ovr_digits.data.mnist import MNIST_FILES
from ovr_digits.data.splits import load_split
from ovr_digits.data.summary import choose_samples, summarise

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = MNIST_FILES
RNG = np.random.default_rng(0)
ARRAYS = {
    TRAIN_IMAGES: RNG.integers(0, 256, (12, 28, 28), np.uint8),
    TRAIN_LABELS: np.array([7, 1, 1, 2, 7, 3, 4, 5, 6, 7, 8, 9], np.uint8),
    TEST_IMAGES: RNG.integers(0, 256, (6, 28, 28), np.uint8),
    TEST_LABELS: np.arange(6, dtype=np.uint8),
}
CONTENTS = {name: idx_bytes(array) for name, array in ARRAYS.items()}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
#: The cache in the test's folder, and a mirror that is a closed port.
SETTINGS = {
    "OVR_DIGITS_CACHE": "cache",
    "OVR_DIGITS_MIRRORS": "http://127.0.0.1:9/",
    "no_proxy": "127.0.0.1",
}


@pytest.fixture
def data(run, monkeypatch) -> Run:
    """Run the command with stand-ins for MNIST, or the real one with ``real``."""

    def call(*arguments: object, real: bool = False, **settings: str) -> Result:
        with monkeypatch.context() as patch:
            if not real:
                _, *rest = download.download_mnist.__defaults__
                patch.setattr(download.download_mnist, "__defaults__", (DIGESTS, *rest))
                for module in (mnist, splits, inventory, download):
                    patch.setattr(module, "MNIST_FILES", DIGESTS)
            return run("data", *arguments, **(SETTINGS | settings))

    return call


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or MNIST_FILES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(CONTENTS[name], mtime=0))
    return folder


def one_object(result: Result, status: int) -> dict[str, Any]:
    assert (result.returncode, result.stderr) == (status, "")
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def states(said: dict[str, Any], place: int) -> list[str]:
    return [file["state"] for file in said["places"][place]["files"]]


# --- which data is at hand --------------------------------------------------------------------


def test_every_place_in_the_order_in_which_it_is_searched(data, tmp_path):
    fill(tmp_path / "argument")
    fill(tmp_path / "variable", TEST_IMAGES, TEST_LABELS)
    options = ["--data-dir", "argument"]
    said = one_object(data("--json", *options, OVR_DIGITS_DATA="variable"), 0)
    assert list(said) == ["dataset", "usable", "parts", "in_use", "places"]
    assert [place["place"] for place in said["places"]] == [
        *("--data-dir", "OVR_DIGITS_DATA", "cache", "bundled")
    ]
    assert (said["usable"], said["in_use"]) == (True, "--data-dir")
    assert states(said, 0) == ["digest right"] * 4
    assert states(said, 1) == ["missing", "missing", "digest right", "digest right"]
    assert said["places"][2]["problem"] == "no such folder"
    assert states(said, 3) == ["1,797 digits"]
    path = tmp_path / "argument" / f"{TRAIN_IMAGES}.gz"
    assert said["places"][0]["files"][0] == {
        "name": TRAIN_IMAGES,
        "path": f"argument/{TRAIN_IMAGES}.gz",
        "bytes": path.stat().st_size,
        "sha256": DIGESTS[TRAIN_IMAGES],
        "sound": True,
        "state": "digest right",
    }
    # What is not named is not used, whole as it may be.
    said = one_object(data("--json", OVR_DIGITS_DATA="variable"), 1)
    assert (said["usable"], said["in_use"]) == (False, "OVR_DIGITS_DATA")
    assert said["parts"] == {"train": False, "test": True}
    assert said["places"][0] == {
        "place": "--data-dir",
        "folder": None,
        "problem": None,
        "files": [],
    }


def test_what_is_wrong_with_each_file_is_said_in_a_line(data, tmp_path):
    folder = fill(tmp_path / "data", TRAIN_LABELS)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(CONTENTS[TRAIN_IMAGES])[:200])
    (folder / TEST_IMAGES).write_bytes(CONTENTS[TEST_IMAGES][:-1])
    (folder / TEST_LABELS).write_bytes(CONTENTS[TEST_LABELS][:-1] + b"\x09")
    result = data("--data-dir", "data")
    assert result.returncode == 1
    assert max(map(len, result.stdout.splitlines())) <= 80
    table = [line.split(maxsplit=2) for line in result.stdout.splitlines()[3:8]]
    assert table == [
        [f"{TRAIN_IMAGES}.gz", "200", "the gzip data are truncated"],
        [f"{TRAIN_LABELS}.gz", "40", "digest right"],
        [TEST_IMAGES, "4,719", "4,703 numbers, fewer than the"],
        ["6×28×28", "of", "its header"],
        [TEST_LABELS, "14", "digest wrong"],
    ]
    assert result.stderr == (
        "ovr-digits: MNIST: not usable in data; repair it with "
        "ovr-digits data download --data-dir data, or use --dataset digits\n"
    )
    said = one_object(data("--data-dir", "data", "--json"), 1)
    assert said["places"][0]["files"][3]["sha256"] not in (None, DIGESTS[TEST_LABELS])
    # The bundled digits are usable all the same.
    assert one_object(data("--dataset", "digits", "--json"), 0)["parts"]["train"]


def test_strange_things_in_place_of_files_and_folders(data, tmp_path):
    folder = fill(tmp_path / "data", TEST_IMAGES, TEST_LABELS)
    (folder / TRAIN_IMAGES).mkdir()
    (folder / TRAIN_LABELS).symlink_to("nowhere")
    said = one_object(data("--data-dir", "data", "--json"), 1)
    assert states(said, 0)[0] == "this is a folder, not a file"
    assert states(said, 0)[1] == "cannot be read (No such file or directory)"
    result = data("--data-dir", "data")
    assert "MNIST: only the test set is usable in data; repair it" in result.stderr
    said = one_object(data("--data-dir", f"data/{TEST_LABELS}.gz", "--json"), 1)
    assert said["places"][0]["problem"] == "not a folder"


def test_an_empty_cache_is_no_fault_but_says_how_to_fill_it(data):
    result = data()
    assert result.returncode == 1
    assert result.stdout.splitlines()[2:5] == [
        "1 --data-dir       not given",
        "2 $OVR_DIGITS_DATA not given",
        "3 cache            cache/mnist",
    ]
    assert result.stderr.endswith("when it is needed, or now with ovr-digits data download\n")
    assert len(result.stderr.splitlines()) == 1
    result = data("--dataset", "digits")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\ndigits: usable, taken from scikit-learn's own data\n" in result.stdout


# --- download ---------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that has the stand-ins."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    folder = fill(tmp_path / "mirror")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    poll = {"poll_interval": 0.02}
    threading.Thread(target=server.serve_forever, kwargs=poll, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_download_into_the_cache_and_no_second_time(data, tmp_path, mirror):
    settings = {"OVR_DIGITS_MIRRORS": mirror}
    result = data("download", **settings)
    assert (result.returncode, result.stdout) == (
        0,
        "MNIST: 4 of 4 files downloaded into cache/mnist\n",
    )
    assert f"downloading {TRAIN_IMAGES}" in result.stderr
    assert one_object(data("--json"), 0)["in_use"] == "cache"
    # From here on there is no network.
    result = data("download")
    assert result.stdout == "MNIST is already there and complete: cache/mnist\n"
    assert (result.returncode, result.stderr) == (0, "")
    (tmp_path / "cache" / "mnist" / f"{TEST_LABELS}.gz").write_bytes(b"damaged")
    done = data("download", "--json", **settings)
    assert json.loads(done.stdout) == {"folder": "cache/mnist", "downloaded": [TEST_LABELS]}


def test_download_into_another_folder_says_how_it_is_used(data, tmp_path, mirror):
    result = data("download", "--data-dir", "mine", OVR_DIGITS_MIRRORS=mirror)
    assert result.returncode == 0
    assert "commands use it with --data-dir mine" in result.stdout
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {f"{n}.gz" for n in DIGESTS}
    assert not (tmp_path / "cache").exists()
    result = data("download", "--data-dir", "mine", OVR_DIGITS_DATA="other")
    assert "OVR_DIGITS_DATA is set: without --data-dir, commands take MNIST from other" in (
        result.stdout
    )
    assert one_object(data("--data-dir", "mine", "--json"), 0)["usable"]


def test_download_without_a_network(data, tmp_path):
    result = data("download")
    assert result.returncode == 1
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ovr-digits: MNIST could not be downloaded: ")
    assert not (tmp_path / "cache").exists()


# --- what is in it ----------------------------------------------------------------------------


def test_counts_and_means():
    images = ARRAYS[TRAIN_IMAGES].reshape(-1, 784)
    found = summarise(images, ARRAYS[TRAIN_LABELS])
    assert found.counts.tolist() == [0, 2, 1, 1, 1, 1, 1, 3, 1, 1]
    assert found.finding == "7 is the most frequent: 3 of 12; 0 is the rarest: 0"
    expected = (images[1].astype(float) + images[2]) / 2
    np.testing.assert_allclose(found.means[1], expected.reshape(28, 28))
    assert not found.means[0].any()


def test_the_finding_where_several_are_equal():
    def finding(*counts: int) -> str:
        y = np.repeat(np.arange(10), counts)
        return summarise(np.zeros((len(y), 784), np.uint8), y).finding

    assert finding(3, 3, 3, 2, 1, 1, 2, 2, 2, 2) == (
        "0, 1 and 2 are the most frequent: 3 of 21; 4 and 5 are the rarest: 1"
    )
    assert finding(*[2] * 10) == "every digit is equally frequent: 2 of 20"


def test_samples_of_one_digit():
    y = ARRAYS[TRAIN_LABELS]
    assert sorted(choose_samples(y, 10, digit=7, seed=0)) == [0, 4, 9]
    assert sorted(choose_samples(y, 100, seed=0)) == list(range(12))
    assert choose_samples(y, 5, seed=3) == choose_samples(y, 5, seed=3)
    assert choose_samples(y, 5, seed=3) != choose_samples(y, 5, seed=4)
    assert len(set(choose_samples(y, 5))) == 5


def samples(result: Result) -> list[dict[str, Any]]:
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_show_samples(data, tmp_path):
    fill(tmp_path / "cache" / "mnist")
    options = ["show", "--seed", 1, "--json"]
    shown = samples(data(*options, "--count", 5))
    assert len({sample["index"] for sample in shown}) == 5
    for sample in shown:
        assert list(sample) == ["index", "label", "pixels"]
        assert sample["label"] == ARRAYS[TRAIN_LABELS][sample["index"]]
        assert sample["pixels"] == ARRAYS[TRAIN_IMAGES][sample["index"]].tolist()
    assert [s["index"] for s in samples(data(*options, "--split", "test", "--digit", 2))] == [2]
    text = data("show", "--digit", 7, "--seed", 0).stdout.splitlines()
    assert text[:2] == [
        "3 of the 3 samples of 7, chosen at random",
        "MNIST training set, from cache/mnist",
    ]
    assert re.fullmatch(r"(7  #\d+ *){3}", text[3])
    (tmp_path / "cache" / "mnist" / f"{TRAIN_LABELS}.gz").write_bytes(b"damaged")
    result = data("show", "--data-dir", "cache/mnist")
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{TRAIN_LABELS}.gz: " in result.stderr


def test_grey_levels_in_their_pixels(data, tmp_path):
    fill(tmp_path / "cache" / "mnist")
    lines = data("show", "--index", 3, "--split", "test").stdout.splitlines()
    image = ARRAYS[TEST_IMAGES][3]
    assert lines[0] == f"sample 3 is a 3 with ink on {(image > 0).sum()} of 784 pixels"
    shown = [[line[3:][2 * i : 2 * i + 2] for i in range(28)] for line in lines[4:32]]
    assert [[int(cell.replace(" .", "0"), 16) for cell in row] for row in shown] == image.tolist()


def test_small_digits_keep_their_strokes(monkeypatch):
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13] = 255
    monkeypatch.setattr(terminal, "has_unicode", lambda: True)
    lines = [click.unstyle(line) for line in terminal.sheet_lines([image] * 6, ["1  #0"] * 6)]
    assert len(lines) == 17
    assert lines[0].split() == ["1", "#0"] * 5
    assert lines[2][6] == "⢸"  # column 13 is the right one of the two columns of character 6
    assert max(map(len, lines)) <= 80
    monkeypatch.setattr(terminal, "has_unicode", lambda: False)
    lines = terminal.sheet_lines([image], ["1  #0"])
    assert [line.strip() for line in lines[2:7]] == ["#"] * 5


def test_counts_of_the_bundled_digits(data):
    said = one_object(data("summary", "--dataset", "digits", "--json"), 0)
    y = load_split("digits", "train").y
    assert said == {
        "dataset": "digits",
        "split": "train",
        "samples": 1500,
        "counts": np.bincount(y).tolist(),
        "finding": "3 is the most frequent: 153 of 1,500; 8 is the rarest: 146",
    }
    text = data("summary", "--dataset", "digits").stdout
    assert text.startswith(said["finding"])
    bars = {
        int(digit): len(bar) for digit, bar in re.findall(r"^(\d) .* % (█+)$", text, re.MULTILINE)
    }
    assert max(bars, key=bars.__getitem__) == 3
    assert len(bars) == 10


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [
        (["show", "--count", 26], (2600, 950)),
        (["show", "--index", 0], (1800, 1860)),
        (["summary"], (2000, 880)),
    ],
)
def test_pictures(data, tmp_path, arguments, sides):
    result = data(*arguments, "--dataset", "digits", "--save", "a.png")
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.format == "PNG"
        assert saved.size == sides
        assert saved.convert("L").getextrema() == (0, 255)


@pytest.mark.mnist
def test_the_real_mnist(data, mnist_dir):
    said = one_object(data("--json", "--data-dir", mnist_dir, real=True), 0)
    assert states(said, 0) == ["digest right"] * 4
    said = one_object(data("summary", "--data-dir", mnist_dir, "--json", real=True), 0)
    assert said["counts"] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert said["finding"] == "1 is the most frequent: 6,742 of 60,000; 5 is the rarest: 5,421"
    result = data("show", "--index", 0, "--data-dir", mnist_dir, real=True)
    assert result.stdout.startswith("sample 0 is a 5 with ink on 166 of 784 pixels\n")
