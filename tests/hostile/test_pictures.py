"""Damaged and hostile pictures are read or refused in one line, in bounded time and memory."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from hostile import picture_bombs
from hostile.picture_bombs import BOMBS
from hostile.pictures import damaged, encoded, sound_files
from hostile.trial import Outcome
from ovr_digits import load_models, read
from ovr_digits.errors import BlankPictureError, DigitsError
from ovr_digits.picture.digit import find_digit

#: One process of a run starts another that tries them.
pytestmark = pytest.mark.xdist_group("pictures")

#: Formats of which every sound file is read.
READ = [
    *("PNG", "JPEG", "GIF", "BMP", "TIFF", "WebP", "PPM", "ICO", "TGA", "SGI", "PCX", "JPEG2000"),
    "PDF",
]
SHIPPED = Path(__file__).parents[2] / "models.pkl"


def read_digit(content: bytes) -> None:
    find_digit(content)


shipped = functools.cache(load_models)


def read_as_number(content: bytes) -> None:
    with contextlib.suppress(BlankPictureError):
        read(content, models=shipped(SHIPPED), page=1)


def test_sound_files_are_read_or_of_a_format_that_is_refused():
    files = sound_files()
    assert len({name.split()[0] for name in files}) >= 15
    for name, content in files.items():
        if name.split()[0] in [*READ, "AVIF"]:
            assert find_digit(content).image.any(), name
        else:
            with pytest.raises(DigitsError, match="save it as PNG"):
                find_digit(content)


#: Some that are refused, and why.
SAID = {
    "PNG, a million empty chunks": "too many parts",
    "PNG, a million chunks behind the pixels": "too many parts",
    "JPEG, 20 megabytes of filling": "too many parts",
    "JPEG, 60 megabytes of EXIF": "too many parts",
    "JPEG, EXIF in a million shreds": "too many parts",
    "GIF, a remark without end": "too many parts",
    "JPEG, one scan, two thousand times": "too often",
    "TIFF, progressive JPEG of many scans": "too often",
    "ICO, a bomb inside": "169 megapixels",
    "PPM in words, many": "at most 3",
}
#: And some that are read, though they look alike.
READ_BOMBS = ["JPEG, EXIF in a circle", "JPEG, orientation is a text", "JPEG, two orientations"]


def assert_borne(attempt: Callable[..., Outcome], read: Callable[..., None], name: str) -> None:
    outcome = attempt(read, BOMBS[name]())
    assert outcome.faults == []
    assert SAID.get(name, "") in outcome.text
    assert not (name in READ_BOMBS and outcome.text)


@pytest.mark.parametrize("name", [*SAID, *READ_BOMBS])
def test_bombs_are_borne(attempt, name):
    assert_borne(attempt, read_digit, name)


@pytest.mark.long
@pytest.mark.parametrize("read", [read_digit, read_as_number])
@pytest.mark.parametrize("name", BOMBS)
def test_all_bombs_are_borne(attempt, read, name):
    assert_borne(attempt, read, name)


@given(st.integers(0), st.sampled_from([read_digit, read_digit, read_as_number]))
@settings(max_examples=40)  # make test-long goes on for longer
def test_damaged_pictures(attempt, seed, read):
    assert attempt(read, damaged(random.Random(seed))).faults == []


# --- what the trial itself finds -----------------------------------------------------------------


def fail(how: str) -> None:
    if how == "crash":
        os.abort()
    elif how == "error":
        raise KeyError(how)
    elif how == "warning":
        warnings.warn("a remark", stacklevel=1)
    elif how == "print":
        os.write(2, b"a remark")
    elif how == "lines":
        raise DigitsError("one\ntwo")
    elif how == "swell":
        np.ones(130_000_000)
    elif how == "refuse":
        raise DigitsError("no")


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        *[("crash", "ended"), ("error", "KeyError"), ("warning", "a remark"), ("swell", "MB")],
        *[("print", "printed b'a remark'"), ("lines", "not one line"), ("refuse", ""), ("", "")],
    ],
)
def test_a_trial_tells_every_kind_of_failure_and_goes_on(attempt, how, fault):
    outcome = attempt(fail, how)
    assert len(outcome.faults) == bool(fault)
    assert fault in "".join(outcome.faults)


# --- what was mended ------------------------------------------------------------------------------


def test_a_few_scans_are_read():
    picture = picture_bombs.progressive(500, 500, 100)
    assert find_digit(picture).view.picture.shape[:2] == (500, 500)


@pytest.mark.parametrize("name", ["TIFF LZW", "TIFF fax", "TIFF deflate", "TIFF JPEG"])
def test_nothing_is_printed_of_a_damaged_tiff(name, capfd):
    content = bytearray(sound_files()[name])
    for place in range(20, len(content) - 20, 31):
        broken = content.copy()
        broken[place : place + 20] = random.Random(place).randbytes(20)
        with contextlib.suppress(DigitsError):
            find_digit(bytes(broken))
    assert capfd.readouterr() == ("", "")


def test_what_others_write_while_a_tiff_is_decoded_is_not_lost(capfd, monkeypatch):
    content, load = sound_files()["TIFF LZW"], TiffImageFile.load

    def load_while_others_write(picture: TiffImageFile) -> object:
        os.write(2, b"from another thread\n")
        return load(picture)

    monkeypatch.setattr(TiffImageFile, "load", load_while_others_write)
    assert find_digit(content).image.any()
    assert set(capfd.readouterr().err.splitlines()) == {"from another thread"}


def test_damaged_exif_does_not_cost_the_picture():
    exif = b"Exif\0\0" + b"MM\0*" + b"\xff" * 200
    assert find_digit(picture_bombs.jpeg_with(picture_bombs.segment(0xE1, exif))).image.any()


def test_a_picture_of_one_column_when_reduced():
    """It has no neighbours beside one another, from which noise is told."""
    find_digit(encoded(Image.linear_gradient("L").resize((5, 9000))))
