"""Handwriting fonts: fetched and checked, and learnt from where a folder of them is named."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner

from ovr_digits.learn import fonts
from ovr_digits.learn.signs import SIGNS, draw_samples

CONTENT = b"not really a font"


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """A list of two fonts, the second with another digest than what the registry has."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    with (tmp_path / "fonts.csv").open("w", newline="", encoding="utf-8") as lines:
        rows = csv.writer(lines)
        rows.writerow(["font", "version", "file", "sha256"])
        rows.writerows([["one", "1.2.3", "one.woff", digest], ["two", "1.0.0", "two.woff", "0"]])
    asked = []

    def fetch(name):
        asked.append(name)
        package = io.BytesIO()
        with tarfile.open(fileobj=package, mode="w:gz") as archive:
            info = tarfile.TarInfo(f"package/files/{name.partition('/')[0]}.woff")
            info.size = len(CONTENT)
            archive.addfile(info, io.BytesIO(CONTENT))
        return package.getvalue()

    monkeypatch.setattr(fonts, "_LIST", tmp_path / "fonts.csv")
    monkeypatch.setattr(fonts, "at", lambda url: (url, fetch))
    return asked


def test_fonts_are_fetched_once_and_only_what_is_named_is_kept(registry, tmp_path):
    for _ in range(2):
        done = CliRunner().invoke(fonts.main, [str(tmp_path / "fonts")])
        assert done.exit_code == 1
        assert done.stderr.endswith("Error: two 1.0.0: not the font that it was\n")
    assert registry == ["one/-/one-1.2.3.tgz", *2 * ["two/-/two-1.0.0.tgz"]]
    assert [path.name for path in (tmp_path / "fonts").iterdir()] == ["one.woff"]
    assert (tmp_path / "fonts" / "one.woff").read_bytes() == CONTENT


def test_all_fonts_of_the_list_are_free():
    with fonts._LIST.open(newline="", encoding="utf-8") as lines:
        listed = list(csv.DictReader(lines))
    assert len({font["font"] for font in listed}) == len(listed) > 200
    assert {font["licence"] for font in listed} <= {"OFL-1.1", "Apache-2.0", "MIT"}


def test_letters_are_learnt_of_the_fonts_of_a_folder(monkeypatch, tmp_path):
    from matplotlib import get_data_path

    digits = np.random.default_rng(0).integers(1, 256, (200, 784)).astype(np.uint8)
    monkeypatch.delenv(fonts.FONTS_VARIABLE, raising=False)
    X, _ = draw_samples(digits, 4, 0)
    # It has no €.
    shutil.copy(f"{get_data_path()}/fonts/ttf/cmtt10.ttf", tmp_path)
    monkeypatch.setenv(fonts.FONTS_VARIABLE, str(tmp_path))
    with_fonts, classes = draw_samples(digits, 4, 0)
    other = len(SIGNS) + 1
    assert (with_fonts[: len(X)] == X).all()
    assert classes[len(X) :].tolist() == 16 * [other]
