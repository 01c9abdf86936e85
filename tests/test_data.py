"""Where digits come from: the order of search, the checks of what is found, the bundled digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from commandline import execute

from ovr_digits.data import splits as data
from ovr_digits.data.idx import idx_bytes, write_idx
from ovr_digits.data.mnist import MNIST_FILES
from ovr_digits.data.splits import Split, cache_folder, load_split
from ovr_digits.errors import DigitsError

STAND_IN = {
    name: np.random.default_rng(len(name) + i).integers(0, 10, shape, np.uint8)
    for i, (name, shape) in enumerate(
        zip(MNIST_FILES, [(5, 28, 28), (5,), (3, 28, 28), (3,)], strict=True)
    )
}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = MNIST_FILES


@pytest.fixture
def tiny(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make small arrays pass for MNIST; gives the cache. A download fails the test."""
    digests = {
        name: hashlib.sha256(idx_bytes(array)).hexdigest() for name, array in STAND_IN.items()
    }
    monkeypatch.setattr(data, "MNIST_FILES", digests)

    def no_download(*_args: object, **_options: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(data, "download_mnist", no_download)
    return cache


def fill(folder: Path, *names: str, suffix: str = ".gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or STAND_IN:
        write_idx(folder / (name + suffix), STAND_IN[name])
    return folder


def assert_is(split: Split, images: str, labels: str) -> None:
    np.testing.assert_array_equal(split.X, STAND_IN[images].reshape(-1, 784))
    np.testing.assert_array_equal(split.y, STAND_IN[labels])


def line(error: pytest.ExceptionInfo[DigitsError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_that_is_named_is_read(tiny, tmp_path, suffix):
    folder = fill(tmp_path / "data", suffix=suffix)
    train, test = load_split("mnist", "train", folder), load_split("mnist", "test", str(folder))
    assert_is(train, TRAIN_IMAGES, TRAIN_LABELS)
    assert_is(test, TEST_IMAGES, TEST_LABELS)
    assert (len(train), len(test)) == (5, 3)
    assert (train.dataset, train.part, train.source) == ("mnist", "train", str(folder))
    assert train.X.dtype == train.y.dtype == np.uint8
    assert train.digest == hashlib.sha256(train.X.tobytes() + train.y.tobytes()).hexdigest()
    assert train.digest != test.digest
    with pytest.raises(ValueError, match="read-only"):
        train.X[0, 0] = 1


def test_only_the_files_of_the_part_are_needed(tiny, tmp_path):
    folder = fill(tmp_path / "data", TEST_IMAGES, TEST_LABELS)
    assert len(load_split("mnist", "test", folder)) == 3
    with pytest.raises(DigitsError) as error:
        load_split("mnist", "train", folder)
    assert line(error) == (
        f"{folder}: lacks {TRAIN_IMAGES}(.gz) and {TRAIN_LABELS}(.gz); "
        "use --dataset digits to work without MNIST"
    )


def test_the_argument_goes_before_the_variable_and_that_before_the_cache(
    tiny, tmp_path, monkeypatch
):
    fill(tiny)
    assert load_split("mnist", "train").source == str(tiny) == str(cache_folder())
    monkeypatch.setenv("OVR_DIGITS_DATA", str(fill(tmp_path / "variable")))
    assert load_split("mnist", "train").source == str(tmp_path / "variable")
    fill(tmp_path / "argument")
    assert load_split("mnist", "train", tmp_path / "argument").source == str(tmp_path / "argument")


def test_a_wrong_folder_is_not_passed_over(tiny, tmp_path, monkeypatch):
    fill(tiny)
    monkeypatch.setenv("OVR_DIGITS_DATA", str(fill(tmp_path / "variable")))
    with pytest.raises(DigitsError) as error:
        load_split("mnist", "train", tmp_path / "nowhere")
    assert line(error).startswith(f"{tmp_path / 'nowhere'}: no such folder; ")
    monkeypatch.setenv("OVR_DIGITS_DATA", str(tmp_path / "gone"))
    with pytest.raises(DigitsError) as error:
        load_split("mnist", "train")
    assert line(error).startswith(f"OVR_DIGITS_DATA: {tmp_path / 'gone'}: no such folder; ")
    assert "--dataset digits" in line(error)


def test_empty_variables_count_as_unset(tiny, monkeypatch):
    fill(tiny)
    monkeypatch.setenv("OVR_DIGITS_DATA", "")
    assert load_split("mnist", "train").source == str(tiny)
    monkeypatch.setenv("OVR_DIGITS_CACHE", "")
    assert cache_folder().parts[-2:] == ("ovr-digits", "mnist")


def test_a_file_in_place_of_the_folder(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DigitsError, match="file: not a folder"):
        load_split("mnist", "test", tmp_path / "file")


def test_wrong_bytes(tiny, tmp_path):
    folder = fill(tmp_path / "data")
    changed = STAND_IN[TEST_IMAGES].copy()
    changed[0, 0, 0] ^= 1
    write_idx(folder / f"{TEST_IMAGES}.gz", changed)
    with pytest.raises(DigitsError, match=f"{TEST_IMAGES}.gz: wrong bytes"):
        load_split("mnist", "test", folder)


def test_images_and_labels_that_disagree(tiny, tmp_path):
    folder = fill(tmp_path / "data")
    write_idx(folder / f"{TEST_LABELS}.gz", STAND_IN[TRAIN_LABELS])
    with pytest.raises(DigitsError, match=f"3 images in {TEST_IMAGES}.gz but 5 labels in"):
        load_split("mnist", "test", folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TEST_IMAGES, STAND_IN[TEST_LABELS], "not images of 28×28"),
        (TEST_IMAGES, np.zeros((3, 8, 8), np.uint8), "not images of 28×28"),
        (TEST_LABELS, STAND_IN[TEST_IMAGES], "not a list of labels"),
    ],
)
def test_shapes(tiny, tmp_path, name, array, message):
    folder = fill(tmp_path / "data")
    write_idx(folder / f"{name}.gz", array)
    with pytest.raises(DigitsError, match=message):
        load_split("mnist", "test", folder)


@pytest.mark.parametrize("content", [b"", b"<html>", None])
def test_a_damaged_file_in_a_named_folder(tiny, tmp_path, content):
    path = fill(tmp_path / "data") / f"{TEST_IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with pytest.raises(DigitsError) as error:
        load_split("mnist", "test", tmp_path / "data")
    assert line(error).startswith(f"{path}: ")
    assert line(error).endswith("use --dataset digits to work without MNIST")


def test_unknown_names_are_programming_errors():
    with pytest.raises(ValueError, match="not 'emnist'"):
        load_split("emnist", "test")
    with pytest.raises(ValueError, match="not 'validation'"):
        load_split("mnist", "validation")


@pytest.mark.mnist
def test_the_real_mnist(mnist_dir, cache):
    train, test = load_split("mnist", "train", mnist_dir), load_split("mnist", "test", mnist_dir)
    assert (train.X.shape, test.X.shape) == ((60_000, 784), (10_000, 784))
    assert train.y[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert test.y[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    # The digest of what training sees is part of a model's provenance, so it stays what it is.
    assert train.digest.startswith("edc0d1098aa497be")


def test_the_bundled_digits_in_mnist_form(cache):
    train, test = load_split("digits", "train"), load_split("digits", "test")
    assert (train.X.shape, test.X.shape) == ((1500, 784), (297, 784))
    assert train.X.dtype == train.y.dtype == np.uint8
    assert (train.dataset, test.part) == ("digits", "test")
    assert train.source == "scikit-learn's bundled digits"
    assert train.y[:10].tolist() == list(range(10))
    assert not cache.exists()

    images = np.concatenate([train.X, test.X]).reshape(-1, 28, 28)
    assert (images.max(axis=(1, 2)) > 240).all()
    for axis in (1, 2):
        inked = images.any(axis=3 - axis)
        first, last = inked.argmax(axis=1), 27 - inked[:, ::-1].argmax(axis=1)
        assert (last - first + 1).max() <= 20
        profile = images.sum(axis=3 - axis, dtype=float)
        centre = profile @ np.arange(28) / profile.sum(axis=1)
        assert np.abs(centre - 13.5).max() < 1
    # As smooth as MNIST: grey edges, not 8×8 steps.
    assert len(np.unique(images[0])) > 50


def test_the_bundled_digits_are_still_the_same_digits(cache):
    """Nearest neighbours of the test part in the training part know most labels."""
    train, test = load_split("digits", "train"), load_split("digits", "test")
    a, b = test.X / 255.0, train.X / 255.0
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    assert (train.y[squares.argmin(axis=1)] == test.y).mean() > 0.93


def test_importing_is_cheap(tmp_path):
    code = (
        "import sys; import ovr_digits.data.hands; "
        "print({'sklearn', 'requests', 'joblib', 'PIL'} & set(sys.modules))"
    )
    assert execute("-c", code, folder=tmp_path).stdout.strip() == "set()"
