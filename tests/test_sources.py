"""Sources of digits: every format gives the same digits, and what is odd is told in one line."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from commandline import png as encoded
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ovr_digits.data.idx import write_idx
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.files import quoted
from ovr_digits.picture.digit import find_form, read_sample
from ovr_digits.scale.sources.files import FileNames, FoundFile, shown
from ovr_digits.scale.sources.folder import PictureIndex, open_folder
from ovr_digits.scale.sources.opening import dataset_source, distorted, open_source
from ovr_digits.scale.sources.pieces import NO_DIGIT, PIECE, Reading, Source

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.xdist_group("sources")

N = 2500  # more than two pieces


@pytest.fixture(scope="session")
def digits(request):
    """Labelled digits: MNIST's where they are, else the bundled ones."""
    if os.environ.get("OVR_DIGITS_DATA"):
        split = load_split("mnist", "train", request.getfixturevalue("mnist_dir"))
        return split.X[:N], split.y[:N]
    split = load_split("digits", "train")
    return np.tile(split.X, (2, 1))[:N], np.tile(split.y, 2)[:N]


def png(image: np.ndarray) -> bytes:
    return encoded(Image.fromarray(image.reshape(28, 28)))


def write_idx_pair(folder: Path, X: np.ndarray, y: np.ndarray, part: str = "train") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / f"{part}-images-idx3-ubyte", X.reshape(-1, 28, 28))
    write_idx(folder / f"{part}-labels-idx1-ubyte", y)


def write_pictures(folder: Path, X: np.ndarray, y: np.ndarray) -> None:
    for k, (image, label) in enumerate(zip(X, y, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        (folder / str(label) / f"{k:05d}.png").write_bytes(png(image))


def hub_table(pictures, labels, kind=None):
    struct_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": data, "path": f"{k}.png"} for k, data in enumerate(pictures)]
    return pa.table(
        {"image": pa.array(rows, struct_type), "label": pa.array(labels, kind or pa.int64())}
    )


@pytest.fixture(scope="session")
def places(digits, tmp_path_factory):
    """The same digits in each format; to be read only."""
    X, y = digits
    root = tmp_path_factory.mktemp("sources")
    write_idx_pair(root / "idx", X, y)
    write_idx_pair(root / "pairs" / "a", X[:1100], y[:1100])
    write_idx_pair(root / "pairs" / "b", X[1100:], y[1100:])
    write_pictures(root / "pictures", X, y)
    pictures = [png(image) for image in X]
    table = hub_table(pictures, y)
    plain = table.set_column(0, "image", [pa.array(pictures, pa.binary())])
    for name, groups in (("small", 100), ("large", 10**6), ("odd", 1500)):
        (root / name).mkdir()
        pq.write_table(table.slice(0, 900), root / name / "train-00000-of-00002.parquet")
        pq.write_table(
            table.slice(900), root / name / "train-00001-of-00002.parquet", row_group_size=groups
        )
    (root / "plain").mkdir()
    pq.write_table(plain, root / "plain" / "digits.parquet")
    return root


def read_all(source: Source) -> Reading:
    """All pieces as a worker gets them, put together; each is as long as it said."""
    readings = []
    for number, piece in enumerate(source.pieces):
        sent = pickle.dumps(piece)
        assert len(sent) < 64 * piece.n + 2000
        reading = pickle.loads(sent).read()
        assert reading.X.shape == (piece.n, 784)
        assert reading.X.dtype == np.uint8
        assert len(reading.places) == piece.n
        assert (reading.y is not None) == source.has_labels
        assert piece.origin == number % len(source.pieces)
        readings.append((reading, sum(r.X.shape[0] for r, _ in readings)))
    assert sum(len(reading.X) for reading, _ in readings) == source.n
    return Reading(
        np.concatenate([reading.X for reading, _ in readings]),
        np.concatenate([reading.y for reading, _ in readings]) if source.has_labels else None,
        [place for reading, _ in readings for place in reading.places],
        {first + k: text for reading, first in readings for k, text in reading.errors.items()},
    )


def refused(path: Path, labelled: bool = True) -> str:
    with pytest.raises(DigitsError) as caught:
        open_source(path, labelled=labelled)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


# --- the formats -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "labelled"),
    [
        *((name, True) for name in ("idx", "pairs", "small", "large", "odd", "plain")),
        *((name, True) for name in ("idx/train-images-idx3-ubyte", "plain/digits.parquet")),
        *((name, False) for name in ("idx", "pairs", "small", "plain")),
    ],
)
def test_every_format_gives_the_digits_byte_for_byte(places, digits, name, labelled):
    source = open_source(places / name, labelled=labelled)
    reading = read_all(source)
    np.testing.assert_array_equal(reading.X, digits[0])
    np.testing.assert_array_equal(reading.y, digits[1])
    assert not reading.errors
    assert len(set(reading.places)) == source.n
    assert all(piece.n <= PIECE for piece in source.pieces)
    assert source.name == str(places / name)
    assert source.pieces[-1] == source.pieces[len(source.pieces) - 1]
    assert source.pieces[:2] == [source.pieces[0], source.pieces[1]]


@pytest.mark.parametrize("labelled", [True, False])
def test_folders_of_pictures_give_the_digits_byte_for_byte(places, digits, labelled):
    source = open_source(places / "pictures", labelled=labelled)
    reading = read_all(source)
    rows = [int(Path(file).stem) for file, row in reading.places if row is None]
    assert sorted(rows) == list(range(N))
    np.testing.assert_array_equal(reading.X, digits[0][rows])
    np.testing.assert_array_equal(reading.y, digits[1][rows])
    assert not reading.errors
    if labelled:  # every piece has its share of every digit
        for piece in source.pieces:
            shares = np.bincount(piece.read().y, minlength=10) / piece.n
            np.testing.assert_allclose(shares, np.bincount(digits[1]) / N, atol=2 / piece.n)
    else:
        assert [file for file, _ in reading.places] == sorted(file for file, _ in reading.places)


def test_pieces_may_be_read_in_any_order(places, digits):
    pieces = open_source(places / "large", labelled=True).pieces
    ends = np.cumsum([piece.n for piece in pieces])
    for k in [2, 0, 1, 1, 2, 0]:
        X = pieces[k].read().X
        np.testing.assert_array_equal(X, digits[0][ends[k] - len(X) : ends[k]])


def test_data_sets(digits):
    source = dataset_source("digits")
    split = load_split("digits", "train")
    reading = read_all(source)
    np.testing.assert_array_equal(reading.X, split.X)
    np.testing.assert_array_equal(reading.y, split.y)
    assert source.has_labels
    assert source.digest == split.digest


@pytest.mark.mnist
def test_a_worker_elsewhere_finds_mnist(mnist_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(mnist_dir.parent)
    source = dataset_source("mnist", mnist_dir.name)
    sent = pickle.dumps(source.pieces[3])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OVR_DIGITS_DATA", raising=False)
    split = load_split("mnist", "train", mnist_dir)
    np.testing.assert_array_equal(pickle.loads(sent).read().X, split.X[3 * PIECE : 4 * PIECE])


# --- distortion ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundled() -> Source:
    return dataset_source("digits")


@given(n=st.integers(0, 8000), seed=st.integers(0, 2**70))
def test_a_stream_has_as_many_digits_as_were_asked_for(bundled, n, seed):
    stream = distorted(bundled, n, seed)
    assert stream.n == n == sum(piece.n for piece in stream.pieces)
    assert all(piece.n for piece in stream.pieces)
    assert [piece.origin for piece in stream.pieces] == [
        k % len(bundled.pieces) for k in range(len(stream.pieces))
    ]


def test_a_stream_begins_with_the_digits_and_each_copy_is_another(bundled):
    source = bundled
    n_pieces = len(source.pieces)
    stream = distorted(source, 3 * source.n + 7, 5)
    readings = [piece.read() for piece in stream.pieces]
    for piece, reading in zip(source.pieces, readings, strict=False):
        np.testing.assert_array_equal(reading.X, piece.read().X)
    for k in range(n_pieces, len(readings)):
        first, copy = readings[k % n_pieces], readings[k]
        n = len(copy.X)
        np.testing.assert_array_equal(copy.y, first.y[:n])
        assert list(copy.places) == list(first.places[:n])
        # The same digits, a little changed.
        apart = np.abs(copy.X - first.X[:n].astype(float)).mean()
        unlike = np.abs(first.X[:n][::-1] - first.X[:n].astype(float)).mean()
        assert 0 < apart < 0.9 * unlike
    assert (readings[n_pieces].X != readings[2 * n_pieces].X).any()
    again = distorted(source, 5 * source.n, 5).pieces[2 * n_pieces].read()
    np.testing.assert_array_equal(again.X, readings[2 * n_pieces].X)
    other = distorted(source, 5 * source.n, 6).pieces[2 * n_pieces].read()
    assert (other.X != again.X).any()


def test_digests_tell_streams_apart(bundled):
    source = bundled
    streams = [distorted(source, n, seed) for n, seed in ((10, 0), (10, 1), (11, 0))]
    assert len({source.digest, *(stream.digest for stream in streams)}) == 4
    assert distorted(source, 10, 0).digest == streams[0].digest


# --- a picture of a data set -----------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "P"])
@pytest.mark.parametrize("light", [False, True])
def test_grey_pictures_of_28_by_28_are_taken_as_they_are(digits, mode, light):
    image = digits[0][3].reshape(28, 28)
    shown = 255 - image if light else image
    if mode == "I;16":
        picture = Image.fromarray(shown.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(shown).convert(mode)
    np.testing.assert_array_equal(read_sample(encoded(picture)), image)


def test_what_is_not_in_the_form_of_mnist_goes_the_way_of_every_picture(digits):
    image = digits[0][3].reshape(28, 28)
    moved, cut = np.roll(image, 4, axis=1), np.zeros((28, 28), np.uint8)
    cut[:14, :14] = np.where(image > 0, 255, 0)[::2, ::2]
    others = [Image.fromarray(drawing) for drawing in (moved, cut)]
    for paper, ink in ((120, 10), (120, 250), (3, 255)):  # grey
        levels = np.rint(paper + image / 255 * (ink - paper))
        others.append(Image.fromarray(levels.astype(np.uint8)))
    light = Image.fromarray(255 - image)
    red = Image.merge("RGB", [light.point(lambda v: 255), light, light])
    for picture in (*others, light.resize((90, 90)), red, light.crop((0, 0, 27, 28))):
        data = encoded(picture)
        np.testing.assert_array_equal(read_sample(data), find_form(data))


def test_faint_ink_on_black_is_taken_as_it_is(digits):
    levels = np.rint(digits[0][3].reshape(28, 28) / 255 * 90).astype(np.uint8)
    np.testing.assert_array_equal(read_sample(encoded(Image.fromarray(levels))), levels)


def on_paper(image: np.ndarray, level: int) -> np.ndarray:
    """Ink of the other end of the scale on paper of a level, with noise."""
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    ink = image / 255.0 * (255 - level if level < 128 else -level)
    return np.clip(level + ink + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [40, 120, 200, 255])
def test_idx_of_other_paper_is_brought_to_form_as_pictures_are(tmp_path, digits, level):
    X = np.stack([on_paper(image, level) for image in digits[0][:40]])
    X[::4] = digits[0][:40:4]
    write_idx_pair(tmp_path / "idx", X, digits[1][:40])
    write_pictures(tmp_path / "pictures", X, np.arange(40))
    for folder in ("idx", "pictures"):
        found = read_all(open_source(tmp_path / folder, labelled=False)).X
        expected = np.stack([read_sample(png(image)).ravel() for image in X])
        order = range(40) if folder == "idx" else sorted(range(40), key=str)
        np.testing.assert_array_equal(found, expected[list(order)])
        np.testing.assert_array_equal(found[list(order).index(4)], digits[0][4])


@pytest.mark.parametrize("kind", ["idx", "parquet", "pictures"])
def test_blank_images_are_named_where_digits_are_learnt(tmp_path, digits, kind):
    X, y = digits[0][:60].copy(), np.arange(60) % 10
    X[7], X[8] = 0, 255
    if kind == "idx":
        write_idx_pair(tmp_path, X, y.astype(np.uint8))
    elif kind == "parquet":
        pq.write_table(hub_table(map(png, X), y), tmp_path / "a.parquet")
    else:
        write_pictures(tmp_path, X, y)
    reading = read_all(open_source(tmp_path, labelled=True))
    assert sorted(reading.errors.values()) == ["blank: there is no digit on it"] * 2
    assert sorted(reading.y[list(reading.errors)]) == [7, 8]
    assert not read_all(open_source(tmp_path, labelled=False)).errors


# --- what is odd -----------------------------------------------------------------------------


def test_what_is_not_there(tmp_path):
    assert refused(tmp_path / "nothing") == ": no such file"
    assert "null character" in refused(Path(f"{tmp_path}/a\0b"))
    (tmp_path / "empty").mkdir()
    assert "no pictures, no IDX and no Parquet" in refused(tmp_path / "empty", labelled=False)
    (tmp_path / "nil").touch()
    assert refused(tmp_path / "nil") == ": empty"
    os.mkfifo(tmp_path / "pipe")
    assert "named pipe" in refused(tmp_path / "pipe")
    (tmp_path / "text").write_text("digits")
    assert "neither IDX nor Parquet" in refused(tmp_path / "text")


def test_compressed_idx_is_refused_with_the_way_out(tmp_path, digits):
    write_idx_pair(tmp_path / "a b", *digits)
    images = tmp_path / "a b" / "train-images-idx3-ubyte"
    packed = images.with_name(images.name + ".gz")
    packed.write_bytes(gzip.compress(images.read_bytes()[:1000]))
    assert f"unpack it first: python -m gzip -d {quoted(str(packed))}" in refused(packed)
    assert open_source(tmp_path / "a b", labelled=True).n == N  # both are there
    images.unlink()
    with pytest.raises(DigitsError, match="unpack it first"):
        open_source(tmp_path / "a b", labelled=True)


def test_idx_without_labels_or_with_others(tmp_path, digits):
    write_idx_pair(tmp_path, *digits)
    images, labels = (tmp_path / f"train-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
    assert "not images of 28×28" in refused(labels)
    write_idx(labels, digits[1][:-1])
    with pytest.raises(DigitsError, match="2,499 labels for 2,500 images"):
        open_source(images, labelled=True)
    labels.unlink()
    assert "there is no train-labels-idx1-ubyte" in refused(images)
    assert read_all(open_source(images, labelled=False)).y is None
    os.truncate(images, 10_000)
    assert "fewer than the 2500×28×28 of its header" in refused(images, labelled=False)


@pytest.mark.parametrize("kind", ["idx", "parquet"])
def test_labels_that_are_no_digits(tmp_path, digits, kind):
    X, y = digits[0][:5], np.array([1, 10, 3, 200, 5])
    if kind == "idx":
        write_idx_pair(tmp_path, X, y.astype(np.uint8))
    else:
        labels = [1, 10, 3, None, 5]
        pq.write_table(hub_table(map(png, X), labels, pa.uint64()), tmp_path / "a.parquet")
    reading = read_all(open_source(tmp_path, labelled=True))
    assert set(reading.errors) == {1, 3}
    assert reading.errors[1] == "its label is 10, not a digit 0 to 9"
    assert reading.y.tolist() == [1, NO_DIGIT, 3, NO_DIGIT, 5]
    assert not read_all(open_source(tmp_path, labelled=False)).errors


def test_training_leaves_test_parts_alone(tmp_path, digits, places):
    write_idx_pair(tmp_path / "idx", *digits)
    write_idx_pair(tmp_path / "idx", digits[0][:9], digits[1][:9], "t10k")
    shutil.copytree(places / "small", tmp_path / "hub")
    shutil.copy(places / "plain" / "digits.parquet", tmp_path / "hub" / "test-0.parquet")
    for name in ("idx", "hub"):
        source = open_source(tmp_path / name, labelled=True)
        assert source.n == N
        assert source.name == f"{tmp_path / name}, but for its test part"
        assert open_source(tmp_path / name, labelled=False).n > N
    assert open_source(tmp_path / "hub" / "test-0.parquet", labelled=True).n == N


def test_folders_of_pictures_that_cannot_be_learnt_from(tmp_path, digits):
    X, y = digits
    write_pictures(tmp_path, X[y != 7][:200], y[y != 7][:200])
    assert "there are none in 7" in refused(tmp_path)
    (tmp_path / "seven").mkdir()
    (tmp_path / "seven" / "a.png").write_bytes(png(X[0]))
    assert "1 lie elsewhere, as seven/a.png" in refused(tmp_path)
    source = open_source(tmp_path, labelled=False)
    assert source.n == 201
    assert not source.has_labels


def test_kinds_are_not_mixed(tmp_path, places):
    shutil.copytree(places / "plain", tmp_path / "mixed")
    Image.new("L", (28, 28)).save(tmp_path / "mixed" / "readme.png")
    told = refused(tmp_path / "mixed", labelled=False)
    assert told == ": holds Parquet (digits.parquet), pictures (readme.png); " + (
        "name a folder with one kind"
    )


def test_odd_names_loops_and_pictures_that_vanish(tmp_path, digits):
    folder = tmp_path / "scans"
    (folder / "deep" / "er").mkdir(parents=True)
    names = [b"a.png", b"new\nline.PNG", b"no-utf8-\xff.png", b"deep/er/b.png", b"deep/z.jpg"]
    names += [rb"no-utf8-\xff.png"]
    for name in names:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(png(digits[0][0]))
    (folder / "damaged.png").write_bytes(png(digits[0][0])[:60])
    (folder / ".hidden.png").write_bytes(png(digits[0][0]))
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken-link.png").symlink_to("nowhere.png")
    (folder / "deep" / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    source = open_source(folder, labelled=False)
    (folder / "a.png").unlink()
    reading = read_all(source)
    assert [file for file, _ in reading.places] == [
        "a.png", "broken-link.png", "damaged.png", "new\nline.PNG", r"no-utf8-\\xff.png",
        r"no-utf8-\xff.png", "deep/z.jpg", "deep/er/b.png",
    ]  # fmt: skip
    assert set(reading.errors) == {0, 1, 2}
    assert reading.errors[0] == "no such file"
    assert "damaged" in reading.errors[2]
    assert not reading.X[:3].any()
    np.testing.assert_array_equal(reading.X[3:], np.tile(digits[0][0], (5, 1)))
    "".join(file for file, _ in reading.places).encode()


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refuse(place):
        if place.endswith(b"shut"):
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    assert refused(tmp_path, labelled=False).startswith("/shut: cannot be read (Permission denied)")


@pytest.mark.parametrize("name", ["idx", "pictures", "large"])
def test_a_source_that_is_gone_is_one_line_that_can_be_sent(places, tmp_path, name):
    shutil.copytree(places / name, tmp_path / "copy")
    piece = open_source(tmp_path / "copy", labelled=True).pieces[1]
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(DigitsError, match="each machine that works needs it, unchanged") as caught:
        piece.read()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("name", ["idx", "pictures", "small"])
def test_digests_tell_when_files_have_changed(places, tmp_path, name):
    shutil.copytree(places / name, tmp_path / "copy")
    first = open_source(tmp_path / "copy", labelled=True).digest
    assert open_source(tmp_path / "copy", labelled=True).digest == first
    file = next(path for path in (tmp_path / "copy").rglob("*") if path.is_file())
    os.utime(file, ns=(1, 1))
    assert open_source(tmp_path / "copy", labelled=True).digest != first


# --- Parquet ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": [b"a"], "label": [1]}, "needs a column image of bytes"),
        ({"image": ["a"], "label": [1]}, "has image (string), label (int64)"),
        ({"image": [{"path": "a"}], "label": [1]}, "needs a column image of bytes"),
        ({"image": [b"a"], "id": [1]}, "it has no column label; has image (binary), id (int64)"),
        ({"image": [b"a"], "label": [True]}, "column label is bool; give numbers or text 0 to 9"),
        ({"image": [b"a"], "label": [[1]]}, "column label is list"),
        ({"image": [b"a"], "y": [1], "Class": [1]}, "columns y and Class may all be its labels"),
    ],
)
def test_parquet_of_another_layout(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert message in refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["image", "label"])
def test_parquet_with_two_columns_of_a_name(tmp_path, digits, name):
    columns = [("image", pa.array([png(digits[0][0])])), ("label", pa.array([1])), ("id", ["a"])]
    columns += [(name, dict(columns)[name]), ("id", ["b"])]
    names, arrays = zip(*columns, strict=True)
    pq.write_table(pa.Table.from_arrays(list(map(pa.array, arrays)), names), tmp_path / "a.parquet")
    if name == "image":
        for labelled in (True, False):
            assert "more than one column image" in refused(tmp_path / "a.parquet", labelled)
        return
    assert "columns label and label may all be its labels" in refused(tmp_path / "a.parquet")
    source = open_source(tmp_path, labelled=False)
    assert "columns label and label" in source.unused_labels
    np.testing.assert_array_equal(read_all(source).X, digits[0][:1])


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([7.0, 0.0, math.nan, 2.5, None], pa.float32()),
        ([7.0, 0.0, None, 10.0, None], pa.float64()),
        (["7", " 0", "", "seven", None], pa.string()),
        (["7", "0", None, "42", None], pa.dictionary(pa.int32(), pa.large_string())),
        ([7, 0, -1, 255, None], pa.int16()),
        ([Decimal(7), Decimal(0), None, Decimal(33), None], pa.decimal128(5, 1)),
    ],
)
@pytest.mark.parametrize("name", ["label", "Digit", "y", "target", "class"])
def test_labels_are_numbers_or_text(tmp_path, digits, labels, kind, name):
    table = hub_table([png(image) for image in digits[0][:5]], [0] * 5)
    table = table.set_column(1, name, pa.array(labels, kind))
    pq.write_table(table, tmp_path / "a.parquet")
    reading = read_all(open_source(tmp_path, labelled=True))
    assert reading.y.tolist() == [7, 0, NO_DIGIT, NO_DIGIT, NO_DIGIT]
    assert set(reading.errors) == {2, 3, 4}
    assert reading.errors[2] == reading.errors[4] == "no label"
    assert "not a digit 0 to 9" in reading.errors[3]
    source = open_source(tmp_path, labelled=False)
    assert not source.unused_labels
    assert read_all(source).y.tolist() == reading.y.tolist()


def test_labels_of_broken_text(tmp_path, digits):
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"3\xff")]
    )
    table = hub_table([png(digits[0][0])] * 2, [0] * 2).set_column(1, "label", broken)
    pq.write_table(table, tmp_path / "a.parquet")
    reading = read_all(open_source(tmp_path, labelled=True))
    assert reading.y.tolist() == [3, NO_DIGIT]


def test_labels_that_are_not_used_are_told(tmp_path, digits, places):
    shutil.copytree(places / "plain", tmp_path / "hub")
    table = pa.table({"image": [png(digits[0][0])], "label": [True]})
    pq.write_table(table, tmp_path / "hub" / "more.parquet")
    write_idx_pair(tmp_path / "idx" / "a", *digits)
    write_idx_pair(tmp_path / "idx" / "b", *digits)
    (tmp_path / "idx" / "b" / "train-labels-idx1-ubyte").unlink()
    write_pictures(tmp_path / "pictures", digits[0][:20], digits[1][:20])
    (tmp_path / "pictures" / "eleven").mkdir()
    (tmp_path / "pictures" / "eleven" / "a.png").write_bytes(png(digits[0][0]))
    for name, told in (
        ("hub", "more.parquet: column label is bool; give numbers or text 0 to 9"),
        ("idx", "there are none beside b/train-images-idx3-ubyte"),
        (
            "pictures",
            "not all pictures lie in folders 0 to 9; 1 lie elsewhere, as eleven/a.png",
        ),
    ):
        source = open_source(tmp_path / name, labelled=False)
        assert source.unused_labels == told
        assert not source.has_labels
    for name in ("plain", "idx", "pictures"):
        assert not open_source(places / name, labelled=False).unused_labels


def test_labels_of_idx_may_be_compressed(tmp_path, digits):
    write_idx_pair(tmp_path, *digits)
    labels = tmp_path / "train-labels-idx1-ubyte"
    packed = labels.with_name(f"{labels.name}.gz")
    packed.write_bytes(gzip.compress(labels.read_bytes()))
    labels.unlink()
    for labelled in (True, False):
        np.testing.assert_array_equal(
            read_all(open_source(tmp_path, labelled=labelled)).y, digits[1]
        )
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DigitsError, match=r"labels-idx1-ubyte\.gz: the gzip data are truncated"):
        open_source(tmp_path, labelled=False)


def test_rows_without_a_picture(tmp_path, digits):
    good = png(digits[0][0])
    pq.write_table(hub_table([good, None, b"", b"text", good], [1] * 5), tmp_path / "a.parquet")
    reading = read_all(open_source(tmp_path, labelled=False))
    assert set(reading.errors) == {1, 2, 3}
    assert reading.errors[1] == "there is no picture in this row"
    assert reading.places[3] == ("a.parquet", 3)


def test_parquet_that_is_cut_short(tmp_path, places):
    content = (places / "plain" / "digits.parquet").read_bytes()
    for size in (4, 100, len(content) - 1):
        (tmp_path / "a.parquet").write_bytes(content[:size])
        assert "no sound Parquet file" in refused(tmp_path / "a.parquet")


def test_damage_within_parquet_spares_the_other_parts(tmp_path, places, digits):
    file = tmp_path / "a.parquet"
    table = pq.read_table(places / "plain" / "digits.parquet")
    pq.write_table(table, file, row_group_size=1000, use_dictionary=False)
    start = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 400] = b"\xff" * 400
    file.write_bytes(content)
    reading = read_all(open_source(file, labelled=True))
    assert set(reading.errors) == set(range(1000, 2000))
    assert "this part of the Parquet file is damaged" in reading.errors[1000]
    kept = np.r_[:1000, 2000:N]
    np.testing.assert_array_equal(reading.X[kept], digits[0][kept])


def test_without_pyarrow(places, monkeypatch):
    for module in ("arrow", "sources.parquet"):
        monkeypatch.delitem(sys.modules, f"ovr_digits.scale.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DigitsError, match=r'pip install "ovr-digits\[parquet\]"'):
        open_source(places / "plain", labelled=True)


# --- size ------------------------------------------------------------------------------------


_OPEN_AND_READ = """
import resource, sys
from ovr_digits.scale.sources.opening import open_source
open_source(sys.argv[1], labelled=False).pieces[0].read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source(sys.argv[2], labelled=False)
pieces = source.pieces
for k in range(0, len(pieces), len(pieces) // 50):
    assert not pieces[k].read().errors
print(source.n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_an_idx_file_larger_than_memory_takes_none(tmp_path):
    n = 20_000_000  # 15.7 GB, of which nothing is on the disk
    for name, count in (("small", 3000), ("large", n)):
        with (tmp_path / name).open("wb") as file:
            file.write(struct.pack(">IIII", 0x803, count, 28, 28))
            file.truncate(16 + count * 784)
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_AND_READ, tmp_path / "small", tmp_path / "large"],
        capture_output=True,
        text=True,
        check=True,
    )
    count, grown_kb = map(int, done.stdout.split())
    assert count == n
    assert grown_kb < 8_000


@given(st.binary() | st.lists(st.sampled_from([b"\\", b"x", b"f", b"\xff", b"\xc3"])).map(b"".join))
def test_a_name_can_be_had_back_from_its_text(name):
    text = shown(name)
    text.encode()
    back = re.sub(
        rb"\\(\\|x(..))",
        lambda found: bytes.fromhex(found[2].decode()) if found[2] else b"\\",
        text.encode(),
    )
    assert back == name


@given(st.lists(st.binary(min_size=1, max_size=20)))
def test_names_are_kept_as_they_are(names):
    kept = FileNames(names)
    assert list(kept) == names


def test_the_names_of_many_files_take_little_memory():
    import tracemalloc

    tracemalloc.start()
    index = PictureIndex()
    n = 100_000
    for k in range(n):
        index.add(FoundFile(b"%d/%08d.png" % (k % 10, k), 300, k))
    source = open_folder("many", Path("/nowhere"), index, True)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.n == n
    assert held < 45 * n
    assert peak < 90 * n
    assert b"\0".join(index.names[k] for k in range(3)) == b"0/00000000.png\x001/00000001.png\0" + (
        b"2/00000002.png"
    )
