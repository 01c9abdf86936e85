"""Every kind of picture that people make is read rightly by the shipped models."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import EXAMPLES, execute, objects
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from ovr_digits import predict, read
from ovr_digits.picture.answers import answer_picture
from ovr_digits.picture.ink import find_ink
from ovr_digits.picture.photo import WORKING_SIDE, Photo
from ovr_digits.picture.regions import bounding_box

LONG = pytest.mark.long
NAMES = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
Picture = Image.Image


@pytest.fixture
def models(shipped_models):
    return shipped_models


@cache
def stroke(digit: int, height: int) -> Picture:
    """One of the examples as a mask (L, ink 255), cut to its ink."""
    ink = find_ink(Photo(EXAMPLES / f"{NAMES[digit]}.png").whole.picture)
    cut = Image.fromarray(np.rint(255 * ink[bounding_box(ink)]).astype(np.uint8))
    width = max(1, round(cut.width * height / cut.height))
    return cut.resize((width, height), Image.Resampling.BOX if height < 40 else None)


def mask(
    digit: int,
    size: tuple[int, int] = (320, 240),
    height: int = 120,
    place: tuple[float, float] = (0.5, 0.5),
) -> Picture:
    """A digit in a picture; its place is in shares of what room there is."""
    ink = stroke(digit, height)
    sheet = Image.new("L", size)
    sheet.paste(
        ink, tuple(round(p * (s - i)) for p, s, i in zip(place, size, ink.size, strict=True))
    )
    return sheet


def inked(ink: Picture, pen: str = "#202020", paper: str = "white") -> Picture:
    return Image.composite(Image.new("RGB", ink.size, pen), Image.new("RGB", ink.size, paper), ink)


def lit(picture: Picture, light: Callable[[Any, Any], Any]) -> Picture:
    """In light that is a function of the place (x, y), each 0..1."""
    y, x = np.mgrid[: picture.height, : picture.width].astype(np.float32)
    levels = np.asarray(picture) * light(x / picture.width, y / picture.height)[..., None]
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def noisy(picture: Picture, sigma: float) -> Picture:
    noise = np.random.default_rng(0).normal(0, sigma, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def ruled(picture: Picture, step: int, across: bool, colour: str = "#9ab4dc") -> Picture:
    draw = ImageDraw.Draw(picture)
    for y in range(step // 2, picture.height, step):
        draw.line((0, y, picture.width, y), colour, 1)
    for x in range(step // 2, picture.width if across else 0, step):
        draw.line((x, 0, x, picture.height), colour, 1)
    return picture


def written_on_rules(digit: int, step: int, across: bool) -> Picture:
    sheet = ruled(Image.new("RGB", (320, 240), "#fafaf5"), step, across)
    sheet.paste("#102060", mask=mask(digit))
    return sheet


def with_dots(picture: Picture, *dots: tuple[int, int, int]) -> Picture:
    draw = ImageDraw.Draw(picture)
    for x, y, radius in dots:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), "#202020")
    return picture


def on_a_table(digit: int) -> Picture:
    table = Image.new("RGB", (400, 300), "#5a3a20")
    table.paste(
        inked(mask(digit, (330, 260)), paper="#f4f0e6").rotate(2, fillcolor="#5a3a20"), (40, 25)
    )
    return table


def bordered(digit: int) -> Picture:
    return ImageOps.expand(inked(mask(digit)), 6, "black")


def cut_tight(digit: int) -> Picture:
    return inked(stroke(digit, 90))


def pen(digit: int, size: int) -> Picture:
    """With strokes that much wider, or where it is negative thinner, in pixels of 200."""
    large = mask(digit, (320, 280), 200)
    kernel = ImageFilter.MaxFilter if size > 0 else ImageFilter.MinFilter
    return inked(large.filter(kernel(abs(size))))


def turned(digit: int, degrees: float) -> Picture:
    return inked(mask(digit).rotate(degrees, Image.Resampling.BICUBIC))


def grey_pencil(digit: int, levels: int, sigma: float) -> Picture:
    """So many levels darker than grey paper, in light that falls off."""
    paper = inked(mask(digit), f"#{3 * f'{150 - levels:02x}'}", f"#{3 * '96'}")
    return noisy(lit(paper, lambda x, y: 1 - 0.15 * x - 0.2 * y), sigma)


def with_logo(digit: int, shape: str, box: tuple[int, int, int, int], **how: Any) -> Picture:
    picture = inked(mask(digit), "#707070")
    getattr(ImageDraw.Draw(picture), shape)(box, **how)
    return picture


def clear(digit: int, colour: str) -> Picture:
    picture = Image.new("RGBA", (320, 240), colour)
    picture.putalpha(mask(digit))
    return picture


KINDS: dict[str, Callable[[int], Picture]] = {
    "dark on light": lambda d: inked(mask(d)),
    "light on dark": lambda d: inked(mask(d), "white", "black"),
    "chalk": lambda d: noisy(inked(mask(d), "#dcdcd2", "#1e3a2a"), 8),
    "red ink": lambda d: inked(mask(d), "#c81e1e"),
    "blue ink on yellow": lambda d: inked(mask(d), "#1e32b4", "#fff5b4"),
    "green ink on pink": lambda d: inked(mask(d), "#0a7828", "#fad2dc"),
    "pencil on grey": lambda d: inked(mask(d), "#8c8c8c", "#c8c8c8"),
    "grey pencil": lambda d: grey_pencil(d, 14, 1),
    "paler pencil": lambda d: grey_pencil(d, 9, 1.5),
    "grey pencil, noisy": lambda d: grey_pencil(d, 14, 4),
    "a stamp": lambda d: with_logo(d, "ellipse", (250, -70, 390, 50), outline="#1830b0", width=5),
    "a logo": lambda d: with_logo(d, "rectangle", (212, 20, 232, 40), fill="black"),
    "a badge": lambda d: with_logo(d, "ellipse", (30, 190, 60, 220), outline="black", width=4),
    "light from the left": lambda d: lit(inked(mask(d)), lambda x, y: 1 - 0.7 * x),
    "a lamp": lambda d: lit(inked(mask(d)), lambda x, y: 1.1 * np.exp(-2 * (x**2 + y**2))),
    "a soft shadow": lambda d: lit(
        inked(mask(d)), lambda x, y: 1 - 0.5 / (1 + np.exp(-30 * (x - y)))
    ),
    "a sharp shadow": lambda d: lit(inked(mask(d)), lambda x, y: np.where(y > 0.6, 0.5, 1.0)),
    "a slanting shadow": lambda d: lit(inked(mask(d)), lambda x, y: np.where(x + y > 1, 0.75, 1)),
    "noise": lambda d: noisy(inked(mask(d)), 25),
    "blur": lambda d: inked(mask(d)).filter(ImageFilter.GaussianBlur(2)),
    "table edges": on_a_table,
    "a border": bordered,
    "turned left": lambda d: turned(d, 8),
    "turned right": lambda d: turned(d, -8),
    "lined paper": lambda d: written_on_rules(d, 45, across=False),
    "squared paper": lambda d: written_on_rules(d, 24, across=True),
    "small": lambda d: inked(mask(d, (640, 480), 36)),
    "off-centre": lambda d: inked(mask(d, (640, 480), 80, (0.93, 0.08))),
    "cut tight": cut_tight,
    "touching the left edge": lambda d: inked(mask(d, place=(0, 0.5))),
    "touching the bottom edge": lambda d: inked(mask(d, place=(0.5, 1))),
    "a thin pen": lambda d: pen(d, -7),
    "a thick pen": lambda d: pen(d, 7),
    "stray dots": lambda d: with_dots(inked(mask(d)), (30, 40, 4), (290, 200, 3), (40, 220, 2)),
    "a smudge": lambda d: with_dots(inked(mask(d)), (40, 60, 1), (45, 62, 7)).filter(
        ImageFilter.GaussianBlur(1)
    ),
    "JPEG artefacts": lambda d: Image.open(io.BytesIO(encoded(inked(mask(d)), "JPEG", quality=10))),
    "12 pixels": lambda d: inked(mask(d, (12, 12), 10)),
    "24 pixels": lambda d: inked(mask(d, (24, 24), 18)),
    "dark on a clear ground": lambda d: clear(d, "black"),
    "light on a clear ground": lambda d: clear(d, "white"),
    "two megapixels": lambda d: inked(mask(d, (1600, 1200), 700)),
}


def on_a(shape: str, digit: int, colours: tuple[str, str, str], degrees: float = 0) -> Picture:
    """A digit (its colour last) on a note of a shape, on a desk whose colour comes first."""
    desk, note, pen = colours
    sheet = Image.new("L", (240, 240))
    box = {"ellipse": (30, 10, 210, 230)}.get(shape, (40, 25, 200, 215))
    extra = {"radius": 40} if shape == "rounded_rectangle" else {}
    getattr(ImageDraw.Draw(sheet), shape)(box, fill=255, **extra)
    turned_sheet = sheet.rotate(degrees, Image.Resampling.BICUBIC)
    picture = Image.new("RGB", (420, 300), desk)
    picture.paste(note, (90, 30), turned_sheet)
    picture.paste(pen, (90, 30), mask(digit, (240, 240), 100))
    return picture


def encoded(picture: Picture, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **{"compress_level": 1, **options})
    return buffer.getvalue()


def answers(models, files: list[bytes], **options: Any) -> list[Any]:
    found = predict(files, models=models, **options)
    return [answer.digit if answer.error is None else answer.error for answer in found]


@pytest.mark.parametrize("digits", [[1, 4], pytest.param([0, 1, 4, 7, 8], marks=LONG)])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_pictures(models, kind, digits):
    assert answers(models, [encoded(KINDS[kind](digit)) for digit in digits]) == digits


RED, BLACK, YELLOW, ROSE = (
    ("#f4f2ee", "#c82028", "white"),
    ("#f4f2ee", "#202028", "#f4f2ee"),
    ("#1a4099", "#f2cc1a", "#202028"),
    ("#c82028", "#f2cc1a", "#c82028"),
)


@pytest.mark.parametrize("digits", ["17", pytest.param("1470", marks=LONG)])
@pytest.mark.parametrize(
    ("shape", "degrees", "colours"),
    [
        *(("ellipse", 30, colours) for colours in (RED, BLACK, YELLOW, ROSE)),
        ("ellipse", 0, RED),
        ("rectangle", 25, YELLOW),
        ("rectangle", 25, BLACK),
        ("rounded_rectangle", -15, ROSE),
    ],
)
def test_notes_of_any_outline(models, shape, degrees, colours, digits):
    files = [encoded(on_a(shape, int(digit), colours, degrees)) for digit in digits]
    assert answers(models, files) == [int(digit) for digit in digits]
    assert [read(file, models=models).text for file in files] == list(digits)


FRAMES = {"save_all": True, "append_images": [inked(mask(8)), Image.new("RGB", (320, 240), "red")]}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param("GIF", {"duration": 100, **FRAMES}, id="animated GIF"),
        pytest.param("PNG", {"duration": 100, **FRAMES}, id="animated PNG"),
        pytest.param("WEBP", {"duration": 100, **FRAMES}, id="animated WebP"),
        pytest.param("TIFF", FRAMES, id="TIFF of several pages"),
        pytest.param("JPEG", {"progressive": True}, id="progressive JPEG"),
    ],
)
def test_without_a_number_the_first_page_is_read(models, kind, options):
    files = [encoded(inked(mask(d)), kind, **options) for d in (2, 3, 5, 7)]
    assert [answer_picture(models, file)[1].digit for file in files] == [2, 3, 5, 7]


# --- what the person says of the picture --------------------------------------------------------


def test_invert_can_be_told(run, tmp_path):
    """A white seven and a black four: what is asked for is read."""
    sheet = Image.new("RGB", (440, 240), "#808080")
    sheet.paste("white", (0, 0), mask(7, (220, 240)))
    sheet.paste("black", (220, 0), mask(4, (220, 240)))
    sheet.save(tmp_path / "both.png")
    for told, wanted in (("yes", {7}), ("no", {4}), ("auto", {4, 7})):
        (answer,) = objects(run("predict", "--json", "--invert", told, "both.png"))
        assert answer["digit"] in wanted, told


def test_a_threshold_can_be_told(run, tmp_path):
    """A large faint nought beside a small dark seven is ink or not."""
    sheet = inked(mask(0, (480, 240), 160, (0.1, 0.5)), "#b4b4b4")
    sheet.paste("black", (0, 0), mask(7, (480, 240), 60, (0.9, 0.5)))
    sheet.save(tmp_path / "faint.png")
    for level, wanted in ((0.15, 0), (0.6, 7)):
        (answer,) = objects(run("predict", "--json", "--threshold", level, "faint.png"))
        assert answer["digit"] == wanted, level


# --- large pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paper", "kind"),
    [
        ("white", "PNG"),
        ("#e8e2d0", "JPEG"),
        pytest.param("white", "JPEG", marks=LONG),
        pytest.param("#e8e2d0", "PNG", marks=LONG),
    ],
)
def test_small_digits_in_large_photos(models, kind, paper):
    """28 pixels of 4000: they are six pixels high once the photo is reduced."""
    photos = [inked(mask(d, (4000, 3000), 28, (0.3, 0.7)), paper=paper) for d in (3, 4, 7, 8)]
    assert answers(models, [encoded(p, kind) for p in photos]) == [3, 4, 7, 8]


@pytest.mark.parametrize(
    ("kind", "orientation"),
    [
        ("PNG", 1),
        ("JPEG", 6),
        pytest.param("JPEG", 1, marks=LONG),
        pytest.param("PNG", 6, marks=LONG),
    ],
)
def test_small_numbers_in_large_photos(models, kind, orientation):
    sheet = Image.new("L", (4000, 3000))
    for n, digit in enumerate((4, 0, 7, 3)):
        sheet.paste(stroke(digit, 48), (900 + 60 * n, 2000))
    stored = {1: sheet, 6: sheet.transpose(Image.Transpose.ROTATE_90)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    number = read(encoded(inked(stored), kind, exif=exif), models=models)
    assert number.text == "4073"
    for n, found in enumerate(number.lines[0]):
        x, y, w, h = found.box
        wanted = (900 + 60 * n, 2000, stroke((4, 0, 7, 3)[n], 48).width, 48)
        np.testing.assert_allclose((x, y, w, h), wanted, atol=3)


def test_noise_does_not_cost_what_was_seen_from_afar(models):
    """More closely there is more noise than ink: then the coarser look is the better one."""
    sheet = inked(mask(4, (3200, 2400), 100, (0.3, 0.6)), "#606060", "#d0d0d0").convert("L")
    noise = np.random.default_rng(4).normal(0, 50, (2400, 3200))
    photo = Image.fromarray(np.clip(np.asarray(sheet) + noise, 0, 255).astype(np.uint8))
    content = encoded(photo)
    assert answers(models, [content]) == [4]
    assert read(content, models=models).text == "4"


def test_a_closer_view_shows_the_same_place():
    """Also of a JPEG, which is decoded anew, and of one that is turned."""
    sheet = inked(mask(2, (2000, 1500), 60, (0.8, 0.2)))
    for kind in ("PNG", "JPEG"):
        photo = Photo(encoded(sheet, kind))
        ink = find_ink(photo.whole.picture)
        view = photo.closer(ink, max(ink[bounding_box(ink)].shape))
        assert view is not None
        assert view.scale == 1
        x, y = map(round, view.corner)
        h, w = view.picture.shape[:2]
        cut = np.asarray(sheet.crop((x, y, x + w, y + h)), np.float32) / 255
        assert np.abs(view.picture - cut).mean() < 0.02
        assert max(photo.whole.picture.shape) <= WORKING_SIDE


def test_no_closer_view_where_there_is_no_more_to_see():
    for picture in (inked(mask(2, (640, 480), 40)), inked(mask(2, (4000, 3000), 900))):
        photo = Photo(encoded(picture))
        ink = find_ink(photo.whole.picture)
        assert photo.closer(ink, max(ink[bounding_box(ink)].shape)) is None


STATUS = Path("/proc/self/status")
PEAK = """
import sys
from ovr_digits.picture.digit import find_form
for picture in sys.argv[1:]:
    find_form(picture)
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(not STATUS.exists(), reason="Linux tells a process's own peak memory there")
@pytest.mark.parametrize(
    "files",
    [
        {"RGB": "rgb.jpg", "RGBA": "clear.png"},
        pytest.param({"L": "grey.png", "I;16": "deep.png"}, marks=LONG),
    ],
    ids=" and ".join,
)
def test_forty_megapixels_in_bounded_memory(tmp_path, files):
    large = ImageOps.invert(mask(5, (7300, 5480), 200, (0.4, 0.6)))
    for mode, name in files.items():
        large.convert(mode).save(tmp_path / name, compress_level=1)
    done = execute("-c", PEAK, *files.values(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # Four bytes for each pixel, as the decoder gives them, twice, and 150 MB for all else.
    assert int(done.stdout) < 500_000
