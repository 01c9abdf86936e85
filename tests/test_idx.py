"""IDX files: what is written is read back, and whatever is wrong with a file is told in a line."""

from __future__ import annotations

import gzip
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ovr_digits.data import idx
from ovr_digits.data.idx import decompress, idx_bytes, parse_idx, read_content, read_idx, write_idx
from ovr_digits.errors import DigitsError

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def header(*sizes: int, code: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_side=0, max_dims=5)))
def test_round_trip(array):
    parsed = parse_idx(idx_bytes(array), "x")
    assert parsed.dtype == np.uint8
    np.testing.assert_array_equal(parsed, array)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda b: b"\0\0\x08" + b))
def test_any_bytes_give_an_array_or_one_line(data):
    try:
        array = parse_idx(decompress(data, "some file"), "some file")
    except DigitsError as error:
        message = str(error)
    else:
        assert array.size <= len(data)
        return
    assert message.startswith("some file: ")
    assert "\n" not in message
    assert len(message) < 200


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_damage_to_gzip_is_seen_or_harmless(position, change):
    data = bytearray(gzip.compress(idx_bytes(ARRAY), mtime=0))
    position %= len(data)
    data[position] ^= change
    try:
        content = decompress(bytes(data), "x")
    except DigitsError:
        return
    # The time, flags and system in the header (bytes 3-9) are under no checksum;
    # and without its magic bytes it is no gzip any more.
    assert content == idx_bytes(ARRAY) if position > 1 else content == bytes(data)


@pytest.mark.parametrize("name", ["a", "a.gz"])
@pytest.mark.parametrize("compress", [False, True])
def test_compression_is_told_by_content_not_by_name(tmp_path, name, compress):
    write_idx(tmp_path / name, ARRAY, compress)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == compress
    np.testing.assert_array_equal(read_idx(tmp_path / name), ARRAY)
    np.testing.assert_array_equal(read_idx(str(tmp_path / name)), ARRAY)


def test_compression_follows_the_name_by_default_and_bytes_are_the_same_each_time(tmp_path):
    write_idx(tmp_path / "a", ARRAY)
    write_idx(tmp_path / "a.gz", ARRAY)
    write_idx(tmp_path / "b.gz", ARRAY)
    assert (tmp_path / "a").read_bytes() == idx_bytes(ARRAY)
    assert (tmp_path / "a.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_the_array_cannot_be_changed_by_accident(tmp_path):
    write_idx(tmp_path / "a", ARRAY)
    with pytest.raises(ValueError, match="read-only"):
        read_idx(tmp_path / "a")[0] = 1


@pytest.mark.parametrize("array", [np.zeros(3, np.int8), np.zeros((), np.uint8)])
def test_only_arrays_of_bytes_are_written(array):
    with pytest.raises(ValueError, match="uint8"):
        idx_bytes(array)


PACKED = gzip.compress(idx_bytes(ARRAY), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"\0\0", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
        (b"<!DOCTYPE html>", "not an IDX file"),
        (header(2, code=7) + b"ab", "not an IDX file"),
        (b"\0\0\x08\0x", "not an IDX file"),
        (header(2, code=13) + b"abcdefgh", "holds float32; only unsigned bytes are read"),
        (header(2, 3)[:9], "truncated within the header"),
        (header(2, 3) + b"abcde", "5 numbers, fewer than the 2×3 of its header"),
        (header(2, 3) + b"abcdefg", "7 numbers, more than the 2×3 of its header"),
        (header(*[2**32 - 1] * 255), "0 numbers, fewer than the 4294967295×"),
        (header(0, 2**32 - 1, 2**32 - 1), "absurd sizes in its header"),
        (header(*[1] * 65) + b"a", "absurd sizes in its header"),
        (PACKED[:-9], "truncated"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "damaged (CRC check failed"),
        (PACKED + b"more", "damaged"),
        (PACKED[:2], "truncated"),
        (PACKED[:12] + b"\xff\xff" + PACKED[14:], "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_is_wrong_with_the_content_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "some file"
    path.write_bytes(content)
    with pytest.raises(DigitsError) as caught:
        read_idx(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "a").touch()
    for path, message in (
        (tmp_path / "nothing", "nothing: no such file"),
        (tmp_path, "this is a folder, not a file"),
        (tmp_path / "a" / "b", "cannot be read (Not a directory)"),
    ):
        with pytest.raises(DigitsError, match=re.escape(message)):
            read_idx(path)


def test_permission(tmp_path, monkeypatch):
    write_idx(tmp_path / "a", ARRAY)
    (tmp_path / "a").chmod(0)
    if os.access(tmp_path / "a", os.R_OK):  # root may read everything

        def refuse(*_args: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DigitsError, match="a: permission denied"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("compress", [False, True])
def test_more_than_is_allowed_is_refused(tmp_path, monkeypatch, compress):
    write_idx(tmp_path / "zeros", np.zeros(10_000_000, np.uint8), compress)
    monkeypatch.setattr(idx, "MAX_BYTES", 10_000_008)
    assert len(read_content(tmp_path / "zeros")) == 10_000_008
    monkeypatch.setattr(idx, "MAX_BYTES", 10_000_007)
    with pytest.raises(DigitsError, match="more than 10,000,007 bytes"):
        read_idx(tmp_path / "zeros")


def test_a_decompression_bomb_does_not_fill_the_memory(monkeypatch):
    import tracemalloc

    monkeypatch.setattr(idx, "MAX_BYTES", 1_000_000)
    bomb = gzip.compress(bytes(50_000_000), 9)
    tracemalloc.start()
    with pytest.raises(DigitsError, match="more than 1,000,000 bytes"):
        decompress(bomb, "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_an_absurd_header_claims_no_memory():
    import tracemalloc

    data = header(60_000, 28, 28)
    tracemalloc.start()
    with pytest.raises(DigitsError, match="0 numbers, fewer than the 60000×28×28"):
        parse_idx(data, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
