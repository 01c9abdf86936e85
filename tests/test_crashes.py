"""What writers that were killed have left; killing them is what tests/hostile does."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest

from ovr_digits.files import check_writable, remove_abandoned, replacing, write_bytes


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


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without a name")
def test_to_find_out_that_one_can_write_leaves_nothing_whenever_it_ends(tmp_path, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        check_writable(tmp_path / "models.pkl")
    assert list(tmp_path.iterdir()) == []
