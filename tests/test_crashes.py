"""What writers that were killed have left; killing them is what tests/hostile does."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from typing import Any

import filelock
import pytest

from ovr_digits.files import (
    check_writable,
    locked,
    remove_abandoned,
    remove_disowned,
    replacing,
    write_bytes,
)


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    path = tmp_path / "a[b].pkl"
    abandoned = tmp_path / ".a[b].pkl.01234567.part"
    of_another = tmp_path / ".b.pkl.01234567.part"
    for left in (abandoned, of_another):
        left.write_bytes(b"half")
    with replacing(path) as temporary:
        temporary.write_bytes(b"one")
        assert not abandoned.exists()
        assert of_another.exists()
        write_bytes(path, b"two")
        assert temporary.exists()
    assert path.read_bytes() == b"one"
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_process_holds_is_its_own_until_it_is_killed(tmp_path):
    """A file and a folder, both by a name that nobody else takes, and a lock beside each."""
    script = (
        "import sys, pathlib\n"
        "from ovr_digits.files import own_name\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with own_name(folder, '.a.', '.part') as file, own_name(folder, 'run-') as other:\n"
        "    file.touch()\n"
        "    (other / 'within').mkdir(parents=True)\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        held = sorted(path.name for path in tmp_path.iterdir())
        for prefix, suffix in ((".a.", ".part"), ("run-", "")):
            remove_disowned(tmp_path, prefix, suffix)
        assert sorted(path.name for path in tmp_path.iterdir()) == held
        assert len(held) == 4
        process.kill()
        process.wait()
        for prefix, suffix in ((".a.", ".part"), ("run-", "")):
            remove_disowned(tmp_path, prefix, suffix)
        assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_by_one_and_its_file_goes_with_it(tmp_path):
    path = tmp_path / "lock"
    with locked(path) as is_locked:
        assert is_locked
        with pytest.raises(BlockingIOError), locked(path):
            pass
    assert not path.exists()
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing" / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_all_is_written_and_nothing_removed(tmp_path, monkeypatch):
    def no_locks(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", no_locks)
    (tmp_path / ".a.01234567.part").touch()
    write_bytes(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".a.01234567.part"}


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without a name")
def test_to_find_out_that_one_can_write_leaves_nothing_whenever_it_ends(tmp_path, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        check_writable(tmp_path / "models.pkl")
    assert list(tmp_path.iterdir()) == []
