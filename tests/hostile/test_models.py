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

from hostile.damage import change_bytes
from hostile.pickles import BOMBS, LIVE, change_opcodes, fragments, hidden, small_models, text
from hostile.reading import can_trace, check_reading, read_all
from ovr_digits.cli import main
from ovr_digits.models.modelfile import parse_models
from ovr_digits.models.place import ModelFileError

PROTOCOLS = (2, 3, 4, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the files, and in it one for what live cases create."""
    (tmp_path / "marks").mkdir()
    return tmp_path


def live(folder: Path) -> dict[str, bytes]:
    return {name: build(folder / "marks" / "ran") for name, (build, _) in LIVE.items()}


def test_each_is_refused_within_its_bounds_and_nothing_else_happens(folder):
    cases = {"sound": small_models(), **live(folder), **dict(hidden(folder / "marks" / "ran"))}
    cases |= {name: build() for name, build in BOMBS.items()}
    readings, effects = read_all(cases, folder)
    assert [fault for reading in readings for fault in reading.faults] == []
    assert effects == []
    assert len(readings) == len(cases) - 1 > 60
    why = {reading.name: reading.text for reading in readings}
    for name, (_, asked_for) in LIVE.items():
        assert asked_for in why[name]


def test_the_watch_sees_what_plain_pickle_does(folder):
    """Else the test above would show nothing."""
    readings, effects = read_all({"sound": small_models(), **live(folder)}, folder, plain=True)
    assert [r.name for r in readings if not (r.created and r.events and r.faults)] == []
    assert bool(effects) == can_trace()


@pytest.mark.parametrize("name", ["os.system", "INST", "frombuffer shape"])
def test_the_command_refuses_them_in_one_line(name, tmp_path):
    path = tmp_path / "models.pkl"
    path.write_bytes(LIVE[name][0](tmp_path / "ran") if name in LIVE else BOMBS[name]())
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
@example("ovr_digits.learn.detectors", "DigitDetector.__init__.__globals__")
@example("numpy", "dtype\r")
@example("\x1b[2J\x1b]0;owned\x07", "x" * 5000)
def test_any_other_name_is_refused(module, name):
    if (module, name) in [("numpy", "dtype"), ("numpy", "ndarray")]:
        return
    stream = b"\x80\x04" + text(module) + text(name) + b"\x93."
    with pytest.raises(ModelFileError, match="refused: it asks for") as refused:
        parse_models(stream)
    assert str(refused.value).isprintable()
    assert not check_reading(stream)
    if "\n" not in module + name:
        assert not check_reading(b"\x80\x02c" + f"{module}\n{name}\n".encode() + b".")


#: Deferred, since the names in real files are asked for, which takes a training.
PARTS = st.deferred(lambda: st.lists(st.sampled_from(fragments()), max_size=40))


@given(PARTS, st.sampled_from(PROTOCOLS))
def test_opcodes_in_any_order_do_nothing(parts, protocol):
    assert not check_reading(bytes([0x80, protocol]) + b"".join(parts) + b".")


def changed(seed: int) -> bytes:
    """A real file with some bytes or opcodes changed."""
    rng = random.Random(seed)
    data = small_models(rng.choice(PROTOCOLS))
    other = small_models(rng.choice(PROTOCOLS))
    return change_opcodes(data, rng) if rng.random() < 0.5 else change_bytes(data, rng, [other])


def test_changed_files_are_refused_or_hold_finite_numbers():
    read = sum(check_reading(changed(seed)) for seed in range(300))
    assert 10 < read < 200
