"""Pictures: whatever the format, the ground and the pen, the same digit takes the same form."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from commandline import EXAMPLES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageOps

from ovr_digits.errors import DigitsError
from ovr_digits.picture import decoding
from ovr_digits.picture import photo as image
from ovr_digits.picture.digit import find_digit, find_form
from ovr_digits.picture.mnist_form import to_mnist_form
from ovr_digits.picture.photo import Photo


def draw_four(size: tuple[int, int] = (120, 160)) -> Image.Image:
    """A four of black ink on white paper, anti-aliased."""
    width, height = size
    picture = Image.new("L", (4 * width, 4 * height), 255)
    draw = ImageDraw.Draw(picture)
    pen = height // 4
    for stroke in (
        [(0.4, 0.2), (0.25, 0.55), (0.75, 0.55)],
        [(0.62, 0.3), (0.62, 0.8)],
    ):
        line = [(4 * width * x, 4 * height * y) for x, y in stroke]
        draw.line(line, fill=0, width=pen, joint="curve")
        for x, y in line:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    return picture.reduce(4)


GREY = draw_four()


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def assert_same_form(data: bytes, tolerance: float = 4.0) -> None:
    """The form is that of the plain grey PNG, but for a few grey levels on average."""
    form = find_form(data).astype(float)
    assert form.shape == (28, 28)
    difference = np.abs(form - find_form(encoded(GREY))).mean()
    assert difference < tolerance


def transparent(colour: str) -> Image.Image:
    picture = Image.new("RGBA", GREY.size, colour)
    picture.putalpha(ImageOps.invert(GREY))
    return picture


def deep() -> Image.Image:
    return Image.fromarray(np.asarray(GREY, np.uint16) * 257)


@pytest.mark.parametrize(
    ("make", "kind", "options"),
    [
        pytest.param(lambda: GREY.convert("1", dither=Image.Dither.NONE), "PNG", {}, id="1-bit"),
        pytest.param(lambda: GREY.quantize(8), "PNG", {}, id="palette"),
        pytest.param(lambda: GREY.convert("RGB"), "PNG", {}, id="RGB"),
        pytest.param(lambda: GREY.convert("RGBA"), "PNG", {}, id="RGBA of a canvas"),
        pytest.param(lambda: GREY.convert("LA"), "PNG", {}, id="grey and alpha"),
        pytest.param(lambda: transparent("black"), "PNG", {}, id="dark on transparent"),
        pytest.param(lambda: transparent("white"), "PNG", {}, id="light on transparent"),
        pytest.param(lambda: transparent("#1030a0"), "PNG", {}, id="blue on transparent"),
        pytest.param(deep, "PNG", {}, id="16-bit"),
        pytest.param(deep, "TIFF", {}, id="16-bit TIFF"),
        pytest.param(lambda: GREY, "JPEG", {"quality": 85}, id="grey JPEG"),
        pytest.param(lambda: GREY.convert("RGB"), "JPEG", {"quality": 85}, id="JPEG"),
        pytest.param(lambda: GREY.convert("CMYK"), "JPEG", {"quality": 85}, id="CMYK JPEG"),
        pytest.param(lambda: GREY.convert("RGB"), "BMP", {}, id="BMP"),
        pytest.param(lambda: GREY, "GIF", {}, id="GIF"),
        pytest.param(lambda: GREY, "TIFF", {"compression": "tiff_lzw"}, id="TIFF"),
        pytest.param(lambda: GREY.convert("RGB"), "WEBP", {"quality": 90}, id="WebP"),
        pytest.param(lambda: transparent("black"), "WEBP", {"lossless": True}, id="clear WebP"),
        pytest.param(lambda: GREY, "PPM", {}, id="PGM"),
        pytest.param(lambda: GREY.convert("P"), "BMP", {}, id="palette BMP"),
        pytest.param(lambda: GREY.quantize(4), "TIFF", {}, id="palette TIFF"),
        pytest.param(lambda: GREY.convert("CMYK"), "TIFF", {}, id="CMYK TIFF"),
        pytest.param(lambda: GREY.convert("I;16"), "PNG", {}, id="16-bit PNG of 8-bit levels"),
    ],
)
def test_every_format_gives_the_same_form(make, kind, options):
    assert_same_form(encoded(make(), kind, **options))


@pytest.mark.parametrize("most", [1, 15, 100, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_portable_pictures_of_any_levels(kind, most):
    levels = np.rint(np.asarray(GREY, float) / 255 * most).astype(">u2" if most > 255 else "u1")
    if kind in ("P3", "P6"):
        levels = np.repeat(levels[..., None], 3, axis=2)
    is_raw = kind in ("P5", "P6")
    body = levels.tobytes() if is_raw else " ".join(map(str, levels.ravel())).encode()
    head = f"{kind} {GREY.width} {GREY.height} {most}\n".encode()
    assert_same_form(head + body)
    if is_raw:
        with pytest.raises(DigitsError, match="damaged"):
            find_form(head + body[: len(body) // 2])


def test_raw_levels_are_read_at_once_however_many_there_are():
    """Pillow's own decoder would read a number of a few bytes for each of its pixels."""
    levels = np.full((1200, 1600), 1000, ">u2")
    levels[400:800, 780:830] = 100
    assert find_form(b"P5 1600 1200 1023\n" + levels.tobytes()).any()


@pytest.mark.parametrize("span", [(-1, 1), (1, -1), (-8, -5), (0, 0.01), (1000, 1001)])
def test_floating_levels_of_any_range(span):
    paper, ink = max(span), min(span)
    share = 1 - np.asarray(GREY, np.float32) / 255
    data = encoded(Image.fromarray((paper + share * (ink - paper)).astype(np.float32)), "TIFF")
    assert_same_form(data)


def test_signed_levels():
    levels = np.asarray(GREY, np.int32) * 257 - 32768
    assert_same_form(encoded(Image.fromarray(levels), "TIFF"))


@pytest.mark.parametrize("level", [-3.0, 0.25, 7.0])
def test_constant_floating_levels_are_blank(level):
    constant = Image.fromarray(np.full((40, 40), level, np.float32))
    assert not find_form(encoded(constant, "TIFF")).any()


def test_a_path_and_its_bytes_are_the_same(tmp_path):
    path = tmp_path / "four.png"
    path.write_bytes(encoded(GREY))
    for source in (path, str(path)):
        np.testing.assert_array_equal(find_form(source), find_form(path.read_bytes()))


def test_dark_on_light_and_light_on_dark():
    form = find_form(encoded(GREY))
    assert form.max() == 255
    assert form[0].max() == form[-1].max() == 0
    assert_same_form(encoded(ImageOps.invert(GREY)), 0.5)


def test_faint_ink_is_ink():
    assert_same_form(encoded(GREY.point(lambda level: 180 + level // 5)))


def test_place_and_scale_do_not_matter():
    sheet = Image.new("L", (900, 700), 255)
    sheet.paste(GREY, (740, 30))
    assert_same_form(encoded(sheet), 0.5)
    assert_same_form(encoded(draw_four((240, 320))), 6)
    assert_same_form(encoded(draw_four((1500, 2000))), 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    # How a camera stores the upright picture under each orientation.
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turned = GREY.transpose(stored[orientation]) if orientation in stored else GREY
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_same_form(encoded(turned, "JPEG", exif=exif, quality=95))


def centre_of_mass(form: np.ndarray) -> np.ndarray:
    places = np.indices(form.shape).reshape(2, -1)
    return places @ form.ravel().astype(float) / form.sum()


def box(form: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(form.any(axis=1)), np.flatnonzero(form.any(axis=0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.png")), ids=lambda path: path.stem)
def test_form_of_the_examples(path):
    form = find_form(path)
    assert form.dtype == np.uint8
    assert np.abs(centre_of_mass(form) - 13.5).max() <= 0.51
    assert 18 <= max(box(form)) <= 20


def test_tiny_picture():
    tiny = np.full((12, 12), 255, np.uint8)
    tiny[2:10, 5:7] = 0
    form = find_form(encoded(Image.fromarray(tiny)))
    assert max(box(form)) == 20
    assert box(form)[1] <= 6
    with pytest.raises(DigitsError, match=r"too small \(4×9 pixels\)"):
        find_form(encoded(Image.new("L", (4, 9))))


def test_large_picture_is_reduced():
    assert max(Photo(encoded(draw_four((1500, 2000)))).whole.picture.shape) <= image.WORKING_SIDE


@pytest.mark.parametrize("limit", ["MAX_PIXELS", "MAX_BYTES"])
def test_too_large(monkeypatch, limit, tmp_path):
    for module in (decoding, image)[: 2 if limit == "MAX_PIXELS" else 1]:
        monkeypatch.setattr(module, limit, 100)
    path = tmp_path / "four.png"
    path.write_bytes(encoded(GREY))
    for source in (path, path.read_bytes()):
        with pytest.raises(DigitsError, match="shrink"):
            find_form(source)


def test_far_too_large_for_pillow_itself():
    small = encoded(Image.new("1", (8, 8)))
    header = small[12:16] + (40_000).to_bytes(4, "big") * 2 + small[24:29]
    claiming = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    with pytest.raises(DigitsError, match="too large"):
        find_form(claiming)


@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_blank(level):
    assert not find_form(encoded(Image.new("L", (40, 40), level))).any()
    clear = find_digit(encoded(Image.new("RGBA", (40, 40), (level, level, level, 0))))
    assert not clear.image.any()
    assert not clear.ink.any()
    assert clear.box == (0, 0, 0, 0)


def test_levels_that_are_no_numbers():
    picture = Image.fromarray(np.full((20, 20), np.nan, np.float32))
    with pytest.raises(DigitsError, match="no numbers"):
        find_form(encoded(picture, "TIFF"))


# --- anything at all ----------------------------------------------------------------------------

WHOLE = [
    encoded(GREY),
    encoded(GREY.convert("RGB"), "JPEG"),
    encoded(GREY, "GIF"),
    encoded(GREY.convert("RGB"), "BMP"),
    encoded(GREY, "TIFF", compression="tiff_lzw"),
    encoded(GREY.convert("RGB"), "WEBP"),
    encoded(GREY.quantize(8)),
    encoded(deep()),
    encoded(GREY, "PPM"),
    encoded(GREY.resize((32, 32)), "ICO"),
    encoded(GREY, "TGA"),
]


def assert_form_or_digits_error(data: bytes) -> None:
    try:
        form = find_form(data)
    except DigitsError as error:
        text = str(error)
        assert text
        assert "\n" not in text
    else:
        assert form.shape == (28, 28)
        assert form.max() in (0, 255)


@given(st.binary(max_size=400))
def test_random_bytes(data):
    assert_form_or_digits_error(data)


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6),
    st.none() | st.integers(0, 1 << 20),
)
def test_damaged_pictures(whole, changes, end):
    data = bytearray(whole)
    for place, value in changes:
        # Headers are short, and there is most to go wrong in them.
        data[place % (len(data) if place % 2 else 64)] = value
    assert_form_or_digits_error(bytes(data if end is None else data[: end % len(data)]))


@given(arrays(np.uint8, st.tuples(st.integers(5, 40), st.integers(5, 40))))
def test_any_pixels(pixels):
    assert_form_or_digits_error(encoded(Image.fromarray(pixels)))


INK = arrays(
    np.float32,
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    elements=st.sampled_from([np.float32(v) for v in (0, 0, 0, 0.25, 0.5, 1)]),
)


@given(INK)
def test_mnist_form_of_any_ink(ink):
    if not ink.any():
        with pytest.raises(ValueError, match="no ink"):
            to_mnist_form(ink)
        return
    form = to_mnist_form(ink)
    assert (form.shape, form.dtype) == ((28, 28), np.uint8)
    assert form.max() == 255
    assert max(box(form)) <= 20
    before = ink.copy()
    to_mnist_form(ink)
    np.testing.assert_array_equal(ink, before)


@given(INK.filter(np.any), st.tuples(*[st.integers(0, 9)] * 4))
def test_mnist_form_ignores_the_margins(ink, margins):
    top, bottom, left, right = margins
    padded = np.pad(ink, ((top, bottom), (left, right)))
    np.testing.assert_array_equal(to_mnist_form(padded), to_mnist_form(ink))


def test_mnist_form_keeps_the_aspect():
    assert box(to_mnist_form(np.ones((40, 10), np.float32))) == (20, 5)
    assert box(to_mnist_form(np.ones((10, 40), np.float32))) == (5, 20)
    assert box(to_mnist_form(np.ones((3, 3), np.float32))) == (20, 20)
    assert box(to_mnist_form(np.ones((1, 300), np.float32))) == (1, 20)


def test_a_program_in_postscript_is_not_run(tmp_path):
    path = tmp_path / "seven.eps"
    Image.new("L", (40, 40), 255).save(path)
    with pytest.raises(DigitsError, match="EPS is a program"):
        find_form(path)
