"""Progress on a terminal and elsewhere, and how shares, times and counts are written."""

from __future__ import annotations

import re

import pytest
from commandline import on_a_terminal

from ovr_digits.progress import TerminalProgress, counted, duration, percent

WORK = """
import time
from ovr_digits.progress import TerminalProgress
with TerminalProgress() as progress:
    for name in ("first", "second"):
        progress.stage(name, 4)
        for _ in range(4):
            progress.advance(1)
            progress._bars.refresh()
    time.sleep(1.2)  # for neither of the two, which are done
"""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (2.54, "2.5 s"),
        (9.96, "10 s"),
        (329.9, "330 s"),
        (599.7, "10 min 0 s"),
        (725, "12 min 5 s"),
        (3599.6, "1 h 0 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_a_time_is_told_in_units_that_fit_it(seconds, text):
    assert duration(seconds) == text


def test_one_is_not_told_as_several():
    assert [counted(n, "digit") for n in (0, 1, 2000)] == ["0 digits", "1 digit", "2,000 digits"]


def test_a_share_has_a_space_before_its_sign():
    assert percent(0.9965) == "99.65 %"


def test_beside_a_bar_that_is_done_nothing_is_left(tmp_path):
    said = on_a_terminal(tmp_path, start=["-c", WORK])
    assert " left" in said  # while there was something to do
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "\n")
    last = [line for line in plain.splitlines() if line][-2:]
    for name, line in zip(("first", "second"), last, strict=True):
        assert re.fullmatch(rf"{name} +━+ 100 % 0\.\d s *", line)


def test_elsewhere_a_stage_is_a_line_with_its_time(capsys):
    with TerminalProgress() as progress:
        progress.stage("learning", 1)
    assert re.fullmatch(r"learning {28} +0\.\d s\n", capsys.readouterr().err)
