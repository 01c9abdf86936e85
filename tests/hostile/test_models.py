"""Hostile models.pkl files are refused in one line, and nothing else happens."""

from __future__ import annotations

import random
import string
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from test_safe_pickle import BOMBS, LIVE, name, whole

from hostile.damage import change_bytes
from hostile.pickles import change_opcodes, fragments, hidden, small_models
from hostile.reading import BrokenPromiseError, check_reading, read_plainly
from ovr_digits.cli import main

#: Bytes of memory that reading one file may take in all.
MAX_BYTES = 700_000_000


def test_each_is_refused_within_its_bounds_and_nothing_else_happens(attempt, tmp_path):
    ran = tmp_path / "ran"
    cases = {case: (build(ran), asked_for) for case, (build, asked_for) in LIVE.items()}
    cases |= {case: (data, ".mkdir") for case, data in hidden(ran)}
    cases |= {case: (data, "") for case, data in BOMBS.items()} | {"long": (bytes(64_000_001), "")}
    outcomes = {case: attempt(check_reading, *each) for case, each in cases.items()}
    assert {case: o.faults for case, o in outcomes.items() if o.faults} == {}
    assert max(outcome.peak_bytes for outcome in outcomes.values()) < MAX_BYTES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", LIVE)
def test_the_watch_sees_what_plain_pickle_does(attempt, case, tmp_path):
    """Else the test above would show nothing."""
    (fault,) = attempt(read_plainly, LIVE[case][0](tmp_path / "ran")).faults
    assert any(event in fault for event in ("'os.system", "'os.mkdir", "'exec"))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("case", ["a call", "INST", "the shape of an array"])
def test_the_command_refuses_them_in_one_line(case, tmp_path):
    path = tmp_path / "models.pkl"
    path.write_bytes(LIVE[case][0](tmp_path / "ran") if case in LIVE else BOMBS[case])
    picture = str(Path(__file__).parents[2] / "examples" / "seven.png")
    done = CliRunner().invoke(main, ["predict", picture, "--models", str(path)])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "models.pkl: refused" in done.stderr
    assert list(tmp_path.iterdir()) == [path]


# --- what chance finds -----------------------------------------------------------------------

#: Names of modules and of what is in them, real ones and what resembles them.
WORDS = st.one_of(
    st.sampled_from([*sorted(sys.stdlib_module_names), "numpy", "sklearn", "ovr_digits"]),
    st.sampled_from(["system", "eval", "dtype", "ndarray", "DigitDetector", "np.savetxt"]),
    st.text(string.printable + "\0\u0443\u0442\uff4e\u202e\x1b", max_size=20),
)  # fmt: skip


@given(WORDS, WORDS)
@example("numpy", "dtype.__class__")
@example("ovr_digits", "DigitDetector.__init__.__globals__")
@example("ovr_digits", "load_models")
@example("numpy", "dtype\r")
@example("\x1b[2J\x1b]0;owned\x07", "x" * 5000)
def test_any_other_name_is_refused(module, word):
    known = [("numpy", "dtype"), ("numpy", "ndarray"), ("ovr_digits", "DigitDetector")]
    if (module, word) not in known:
        check_reading(whole(name(module, word)), "refused: it asks for")


#: Deferred, since the names in real files are asked for, which takes a training.
PARTS = st.deferred(lambda: st.lists(st.sampled_from(fragments()), max_size=40))


@given(PARTS)
def test_opcodes_in_any_order_do_nothing(parts):
    assert not check_reading(whole(b"".join(parts)))


def changed(rng: random.Random) -> bytes:
    """A real file with some bytes or opcodes changed."""
    way = change_opcodes if rng.random() < 0.5 else change_bytes
    return way(small_models(), rng)


def test_changed_files_are_refused_or_hold_finite_numbers():
    rng = random.Random(0)
    read = sum(check_reading(changed(rng)) for _ in range(300))
    assert 10 < read < 200


def test_another_reason_is_a_broken_promise():
    with pytest.raises(BrokenPromiseError, match="no short line with 'eval'"):
        check_reading(whole(name("os", "system")), "eval")
