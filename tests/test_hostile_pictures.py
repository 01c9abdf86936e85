"""Damaged and hostile pictures are read or refused in one line, in bounded time and memory.

The long form is ``python -m benchmarks.robustness.pictures``.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from benchmarks.robustness import picture_cases as by_hand
from benchmarks.robustness import pictures
from benchmarks.robustness.mutations import encoded, mutated, sound_files
from benchmarks.robustness.pictures import AS_NUMBER, cases, prepare
from benchmarks.robustness.trial import Outcome, try_all
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import find_digit
from ovr_digits.picture.mnist_form import with_usual_pen

#: Formats of which every sound file is read.
READ = "PNG JPEG GIF BMP TIFF WebP PPM ICO TGA SGI PCX JPEG2000 AVIF".split()  # noqa: SIM905


def test_sound_files_are_read_or_of_a_format_that_is_refused():
    files = sound_files()
    assert len({name.split()[0] for name in files}) >= 20
    for name, content in files.items():
        if name.split()[0] in READ:
            assert find_digit(content).image.any(), name
        else:
            with pytest.raises(DigitsError, match="save it as PNG"):
                find_digit(content)


def test_mutations_are_the_same_again_and_of_every_format():
    some = [mutated(number, 3) for number in range(70)]
    assert some == [mutated(number, 3) for number in range(70)]
    assert {name for name, _ in some} == set(sound_files())
    whole = sound_files()
    assert sum(content != whole[name] for name, content in some) > 60


def test_damaged_and_hostile_pictures():
    """All that are made by hand, and a few hundred by chance, of some of which numbers are read."""
    wanted = [case for case in cases(300, seed=1) if not case.endswith(AS_NUMBER)]
    # Two seconds are what the long form allows; a machine that runs tests may be slower.
    found = list(try_all(prepare, wanted, jobs=2, max_seconds=8))
    assert [outcome for outcome in found if outcome.how == "failed"] == []
    assert sorted(outcome.case for outcome in found) == sorted(wanted)
    assert {outcome.how for outcome in found} == {"read", "refused"}


# --- what the trial itself finds -----------------------------------------------------------------


def _prepare():
    def attempt(case: str) -> str:
        if case == "crash":
            os.abort()
        elif case == "error":
            raise KeyError(case)
        elif case == "warning":
            warnings.warn("a remark", stacklevel=1)
        elif case == "print":
            os.write(2, b"a remark")
        elif case == "lines":
            raise DigitsError("one\ntwo")
        elif case == "swell":
            np.ones(200_000_000)
        elif case == "slow":
            start = time.process_time()
            while time.process_time() - start < 0.6:
                pass
        elif case == "refuse":
            raise DigitsError("no")
        return "read"

    return attempt


def test_a_trial_tells_every_kind_of_failure_and_goes_on():
    wanted = ["fine", "crash", "error", "warning", "print", "lines", "swell", "slow", "refuse"]
    found: dict[str, Outcome] = {
        each.case: each for each in try_all(_prepare, wanted, jobs=2, max_seconds=0.5)
    }
    assert sorted(found) == sorted(wanted)
    hows = {case: outcome.how for case, outcome in found.items()}
    assert hows == dict.fromkeys(wanted, "failed") | {"fine": "read", "refuse": "refused"}
    assert "Abort" in found["crash"].text
    assert "KeyError" in found["error"].text
    assert "a remark" in found["print"].text


# --- what was mended ------------------------------------------------------------------------------


def refusal(content: bytes) -> str:
    """What is said of a file; it takes a moment."""
    start = time.process_time()
    with pytest.raises(DigitsError) as caught:
        find_digit(content)
    assert time.process_time() - start < 2
    return str(caught.value)


@pytest.mark.parametrize(
    "case",
    [
        "PNG, a million empty chunks",
        "PNG, a million chunks behind the pixels",
        "JPEG, 20 megabytes of filling",
        "JPEG, 60 megabytes of EXIF",
        "JPEG, EXIF in a million shreds",
        "GIF, a remark without end",
    ],
)
def test_parts_without_end(case):
    assert "too many parts" in refusal(by_hand.CASES[case]())


def test_scans_without_end():
    assert "too often" in refusal(by_hand.progressive(5000, 5000, 2000))
    assert "too often" in refusal(by_hand.CASES["TIFF, progressive JPEG of many scans"]())
    assert find_digit(by_hand.progressive(500, 500, 100)).view.picture.shape[:2] == (500, 500)


def test_an_icon_is_as_large_as_the_picture_in_it():
    assert "169 megapixels" in refusal(by_hand.icon(by_hand.large_png(13000)))


def test_levels_in_words_take_time():
    assert "at most 3" in refusal(b"P2 5000 5000 255\n" + b"0 " * 25_000_000)
    assert find_digit(sound_files()["PPM in words"]).image.any()


@pytest.mark.parametrize("name", ["TIFF LZW", "TIFF fax", "TIFF deflate", "TIFF JPEG"])
def test_nothing_is_printed_of_a_damaged_tiff(name, capfd):
    content = bytearray(sound_files()[name])
    for place in range(20, len(content) - 20, 31):
        damaged = content.copy()
        damaged[place : place + 20] = os.urandom(20)
        with contextlib.suppress(DigitsError):
            find_digit(bytes(damaged))
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
    for case in ("JPEG, EXIF in a circle", "JPEG, orientation is a text", "JPEG, two orientations"):
        assert find_digit(by_hand.CASES[case]()).image.any()
    exif = b"Exif\0\0" + b"MM\0*" + b"\xff" * 200
    assert find_digit(by_hand.jpeg_with(by_hand.segment(0xE1, exif))).image.any()


def test_a_picture_of_one_column_when_reduced():
    """It has no neighbours beside one another, from which noise is told."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_digit(encoded(Image.linear_gradient("L").resize((5, 9000))))


def test_a_pen_is_changed_as_before():
    """Distances are told no further than is needed; what comes of them stays the same."""
    from ovr_digits.picture import mnist_form as form

    ink = np.zeros((200, 120), np.float32)
    ink[20:180, 50:54] = 1
    thick = np.zeros((200, 120), np.float32)
    thick[20:180, 20:90] = 1
    whole = form._distances
    for drawn in (ink, thick):
        short = with_usual_pen(drawn)
        form._distances = lambda inside, reach=0.0: whole(inside)
        try:
            np.testing.assert_array_equal(short, with_usual_pen(drawn))
        finally:
            form._distances = whole


def test_what_the_long_form_writes(tmp_path, monkeypatch):
    """Through its own command."""
    few = {name: by_hand.CASES[name] for name in ("text", "GIF, nine thousand frames")}
    monkeypatch.setattr(pictures, "CASES", few)
    kept = [str(tmp_path / name) for name in ("failures", "records")]
    options = ["--count", "20", "--jobs", "1", "--failures", kept[0], "--records", kept[1]]
    for _ in range(2):
        done = CliRunner().invoke(pictures.main, [*options, "--output", str(tmp_path)])
        assert done.exit_code == 0, done.output
    assert "24 cases, 0 failures" in (tmp_path / "robustness-pictures-quick.md").read_text()
    # The second time all of them are known.
    assert len(Path(kept[1]).read_text().splitlines()) == 24
    assert not Path(kept[0]).exists()
