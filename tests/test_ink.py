"""Ink and pens: what is digit on a picture and what is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from strokes import face, picture_of, write

from ovr_digits import predict
from ovr_digits.core.vote import count_votes
from ovr_digits.errors import DigitsError
from ovr_digits.picture import mnist_form
from ovr_digits.picture.digit import find_digit, find_form
from ovr_digits.picture.ink import find_ink, find_marks
from ovr_digits.picture.mnist_form import pen_width, to_mnist_form, with_usual_pen
from ovr_digits.picture.regions import find_regions


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.randoms())
def test_some_regions_are_those_of_their_mask(mask, random):
    regions = find_regions(mask)
    kept = regions.only(np.array([random.random() < 0.5 for _ in regions.areas], bool))
    wanted = find_regions(kept.mask)
    for name in ("labels", "boxes", "areas"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(wanted, name))


# --- the pen -------------------------------------------------------------------------------


def drawn_seven(pen: int, side: int = 200) -> np.ndarray:
    """A seven (side, side) float32, ink 1, drawn with a round pen."""
    picture = Image.new("L", (side * 4, side * 4), 0)
    draw = ImageDraw.Draw(picture)
    line = [(side * 4 * x, side * 4 * y) for x, y in ((0.25, 0.2), (0.75, 0.2), (0.45, 0.85))]
    draw.line(line, fill=255, width=4 * pen, joint="curve")
    for x, y in line:
        draw.ellipse((x - 2 * pen, y - 2 * pen, x + 2 * pen, y + 2 * pen), fill=255)
    return np.asarray(picture.reduce(4), np.float32) / 255


@pytest.mark.parametrize("pen", [4, 10, 20, 40])
def test_the_pen_is_measured(pen):
    assert pen_width(drawn_seven(pen)) == pytest.approx(pen, rel=0.15, abs=1)


@pytest.mark.parametrize("pen", [2, 4, 8, 16, 32, 50])
def test_every_pen_becomes_a_usual_one(pen):
    form = to_mnist_form(with_usual_pen(drawn_seven(pen))).astype(np.float32)
    large = np.asarray(Image.fromarray(form).resize((224, 224), Image.Resampling.BICUBIC))
    assert 1.6 < pen_width(large) / 8 < 4.6
    rows, columns = np.flatnonzero(form.any(axis=1)), np.flatnonzero(form.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_width_of_any_shape_is_that_of_its_distances(ink):
    ink[0, 0] = True
    inside = np.pad(ink, 1)
    outside = np.argwhere(~inside)
    nearest = [np.hypot(*(outside - place).T).min() for place in np.argwhere(inside)]
    wanted = 4 * (np.mean(nearest) - 0.5) + 1
    assert pen_width(ink.astype(np.float32)) == pytest.approx(wanted, rel=1e-5)


def test_a_usual_pen_stays():
    ink = drawn_seven(20)
    cropped = with_usual_pen(ink)
    assert cropped.sum() == ink.sum()
    np.testing.assert_array_equal(to_mnist_form(cropped), to_mnist_form(ink))


def test_no_ink_has_no_pen():
    with pytest.raises(ValueError, match="no ink"):
        with_usual_pen(np.zeros((20, 20), np.float32))


# --- what is on the picture beside the digit ---------------------------------------------------

SIDE = 240


def coloured(ink: np.ndarray, pen, paper) -> np.ndarray:
    """Ink (h, w) as a picture (h, w, 3) of a pen's colour on paper."""
    paper = np.broadcast_to(np.asarray(paper, np.float32), (*ink.shape, 3))
    return paper + ink[..., None] * (np.asarray(pen, np.float32) - paper)


def page(place: tuple[int, int] = (60, 70), side: int = 110, pen: int = 11) -> np.ndarray:
    """Ink of a seven somewhere on a page."""
    ink = np.zeros((SIDE, SIDE), np.float32)
    ink[place[0] : place[0] + side, place[1] : place[1] + side] = drawn_seven(pen, side)
    return ink


PLAIN = coloured(page(), (0.1, 0.1, 0.1), (1, 1, 1))
Y = np.mgrid[:SIDE, :SIDE][0].astype(np.float32) / SIDE


def lined(picture: np.ndarray, apart: int, colour, tilt: float = 0.01) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    on_line = np.rint(rows + tilt * columns).astype(int) % apart < 2
    return np.where(on_line[..., None] & (picture > 0.5), np.float32(colour), picture)


def tabled(picture: np.ndarray) -> np.ndarray:
    framed = picture.copy()
    framed[:14] = framed[:, -20:] = (0.35, 0.22, 0.12)
    return framed


def ringed(picture: np.ndarray, shape: str) -> np.ndarray:
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    getattr(ImageDraw.Draw(image), shape)((60, 50, 190, 180), outline=(50, 50, 50), width=3)
    return np.asarray(image, np.float32) / 255


@pytest.mark.parametrize("digit", [4, 7])
def test_the_bar_of_a_thin_digit_that_fills_the_picture_is_no_ruled_line(digit):
    def seen(pen: int, height: float) -> np.ndarray:
        return find_form(picture_of(write(digit, 140, 140, 280 * height), pen=pen)).astype(float)

    # With room about it nothing of the digit is taken for a line.
    assert np.abs(seen(8, 0.92) - seen(8, 0.6)).mean() < 12


def underlined(picture: np.ndarray) -> np.ndarray:
    line = picture.copy()
    line[168:172, 70:180] = 0.1
    return line


def on_a_note(picture: np.ndarray) -> np.ndarray:
    desk = np.full_like(picture, 0.3)
    desk[45:185, 55:195] = picture[45:185, 55:195] * np.float32((1, 0.93, 0.4))
    return desk


def on_a_small_note(picture: np.ndarray) -> np.ndarray:
    desk = np.full_like(picture, 0.3)
    desk[55:185, 55:185] = picture[55:185, 55:185]
    return desk


def noisy(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(picture.shape)
    return np.clip(picture + 0.05 * noise, 0, 1).astype(np.float32)


def jpeg(picture: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer), np.float32) / 255


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(coloured(page(), (0.5,) * 3, (0.7,) * 3), id="faint"),
        pytest.param(lined(PLAIN, 40, (0.2, 0.2, 0.2)), id="lines as dark as the ink"),
        pytest.param(ringed(PLAIN, "rectangle"), id="a box"),
        pytest.param(ringed(PLAIN, "ellipse"), id="a circle"),
        pytest.param(underlined(PLAIN), id="underlined"),
        pytest.param(on_a_note(PLAIN), id="a yellow note on a desk"),
        pytest.param(on_a_small_note(PLAIN), id="a white note on a desk"),
        pytest.param(jpeg(noisy(PLAIN)), id="JPEG"),
        pytest.param(noisy(tabled(PLAIN) * (1 - 0.5 * Y)[..., None]), id="a photo of all this"),
    ],
)
def test_only_the_digit_is_ink(picture):
    ink = find_ink(picture.astype(np.float32))
    assert np.abs(ink - page())[page() > 0.9].mean() < 0.3  # in its place on the picture
    found = to_mnist_form(ink).astype(float)
    wanted = to_mnist_form(find_ink(PLAIN)).astype(float)
    alike = (found * wanted).sum() / np.sqrt((found**2).sum() * (wanted**2).sum())
    assert alike > 0.9


@pytest.mark.parametrize("pen", [12, 24, 34])
def test_a_digit_may_fill_the_picture(pen):
    ink = drawn_seven(pen)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    found = find_ink(coloured(cut, (0, 0, 0), (1, 1, 1)))
    assert np.abs(found - cut).mean() < 0.03


# --- cells, squared paper and tight cuts -------------------------------------------------------


def alike(picture: np.ndarray, wanted: np.ndarray) -> float:
    """How alike what is found on a picture (h, w, 3) and ink are in MNIST's form: 1 is the same."""
    found, form = (
        to_mnist_form(with_usual_pen(ink)).astype(float)
        for ink in (find_ink(picture.astype(np.float32)), wanted)
    )
    return float((found * form).sum() / np.sqrt((found**2).sum() * (form**2).sum()))


def shrunk(levels: np.ndarray, side: int) -> np.ndarray:
    """Grey levels (h, w) as a picture (h', w', 3) whose longer side is given, stored in 8 bits."""
    image = Image.fromarray(np.rint(levels * 255).astype(np.uint8))
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BOX)
    return np.repeat(np.asarray(small, np.float32)[..., None] / 255, 3, axis=2)


def cell(digit: int, sides: str, inset: float, *, pen: float = 0.45, low: float = 0.5) -> tuple:
    """Grey levels (480, 480) of a cell that lines bound on some sides, and its ink.

    The digit's middle is ``low`` of the cell's height; lines are darker than it.
    """
    content = picture_of(write(digit, 250, 480 * low, 220), 480, 480, pen=26)
    ink = 1 - np.asarray(Image.open(io.BytesIO(content)), np.float32) / 255
    lines = Image.new("L", (480, 480), 0)
    for turn, side in enumerate("trbl"):
        if side in sides:
            one = Image.new("L", (480, 480), 0)
            y = 480 * inset
            ImageDraw.Draw(one).line([(-9, y - 4), (489, y + 4)], fill=255, width=14)
            lines.paste(255, mask=one.rotate(-90 * turn))
    drawn = np.asarray(lines, np.float32) / 255
    return np.minimum(0.75 - 0.45 * drawn, 0.75 - (0.75 - pen) * ink), ink


@pytest.mark.parametrize("side", [40, pytest.param(60, marks=pytest.mark.long), 120])
@pytest.mark.parametrize("sides", ["t", "l", "rb", "lt", "lbr", "tb", "tlbr"])
@pytest.mark.parametrize("inset", [0.01, 0.1])
def test_lines_along_the_sides_of_a_cell_are_no_ink(sides, inset, side):
    for digit in (0, 1, 4, 7):
        levels, ink = cell(digit, sides, inset)
        assert alike(shrunk(levels, side), ink) > 0.8, digit


@pytest.mark.parametrize("sides", ["b", "lb", "lbr", "tlbr"])
def test_a_digit_may_cross_the_line_of_its_cell(sides):
    for digit in (4, 7, 9):
        levels, ink = cell(digit, sides, 0.1, low=0.72)
        assert alike(shrunk(levels, 120), ink) > 0.75, digit


def test_dark_lines_do_not_set_the_strength_of_pale_ink():
    levels, ink = cell(0, "tlbr", 0.08, pen=0.62)
    uneven = np.where(np.arange(480) > 260, 0.6, 1.0)  # the pencil is paler on the right
    levels = np.where((ink > 0) & (levels > 0.6), 0.75 - 0.13 * ink * uneven, levels)
    assert alike(shrunk(levels, 200), ink) > 0.7


def test_squared_paper_seen_at_an_angle_is_no_ink():
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    down, across = x + (x - 120) * (y - 120) / 900, y + (y - 120) * (x - 120) / 900
    squares = np.minimum(down % 34, across % 34)
    lines = np.clip(1.5 - squares / 2, 0, 1)
    levels = np.minimum(0.8 - 0.2 * lines, 0.8 - 0.5 * page(pen=6))
    assert alike(shrunk(levels, SIDE), page(pen=6)) > 0.85


@pytest.mark.parametrize("digit", range(10))
def test_strokes_of_a_digit_that_is_cut_tightly_are_no_lines(digit):
    content = picture_of(write(digit, 240, 240, 400), 480, 480, pen=40)
    ink = 1 - np.asarray(Image.open(io.BytesIO(content)), np.float32) / 255
    ink = ink[ink.any(axis=1)][:, ink.any(axis=0)]
    for side in (40, 60):
        assert alike(shrunk(0.8 - 0.5 * ink, side), np.asarray(shrunk(ink, side))[..., 0]) > 0.9


@pytest.mark.parametrize("digit", [4, 5, 7, 9])
def test_thick_grey_strokes_that_are_cut_tightly_keep_their_middle(digit):
    content = picture_of(write(digit, 240, 240, 380), 480, 480, pen=100)
    ink = 1 - np.asarray(Image.open(io.BytesIO(content)), np.float32) / 255
    ink = ink[ink.any(axis=1)][:, ink.any(axis=0)]
    streaks = np.where(np.sin(np.arange(ink.shape[1]) / 20) > 0.3, 0.9, 0.45)
    found = find_ink(shrunk(1 - ink * streaks, 28))
    assert (found[shrunk(ink, 28)[..., 0] > 0.9] > 0).mean() > 0.97


# --- broken strokes ------------------------------------------------------------------------------


def broken(digit: int, hand: int, on: int, off: int) -> tuple[bytes, bytes]:
    """Pictures of a digit written with a pen 14 wide that skips, and with one that does not."""
    strokes = write(digit, 140, 140, 180, hand, steps=40)
    points = [[stroke[k : k + 2] for k in range(0, len(stroke) - 1)] for stroke in strokes]
    pieces, along = [], 0.0
    for stroke in points:
        for one, other in stroke:
            along += float(np.hypot(*np.subtract(other, one)))
            if along % (on + off) < on:
                pieces.append([one, other])
    return picture_of(pieces, pen=14), picture_of(strokes, pen=14)


@pytest.mark.parametrize(
    ("on", "off"), [(2, 20), (25, 30), (60, 40)], ids=["dots", "dashes", "gaps"]
)
def test_the_pieces_of_a_broken_digit_are_put_together(shipped_models, on, off):
    for digit in range(10):
        pieces, whole = (find_digit(picture) for picture in broken(digit, 0, on, off))
        assert pieces.box == pytest.approx(whole.box, abs=off)
        vote = count_votes(shipped_models.decision_function(pieces.image.reshape(1, -1)))[0]
        assert vote.digit == digit


def test_specks_beside_a_broken_digit_are_none_of_it():
    pieces, _ = broken(3, 0, 25, 30)
    picture = Image.open(io.BytesIO(pieces))
    alone = find_digit(pieces).box
    ImageDraw.Draw(picture).ellipse((8, 130, 20, 142), fill=0)
    file = io.BytesIO()
    picture.save(file, "PNG")
    assert find_digit(file.getvalue()).box == alone


def test_the_ground_may_be_told():
    ink = page()
    dark = find_ink(coloured(ink, (0, 0, 0), (1, 1, 1)), "dark ink")
    assert np.abs(dark - ink).mean() < 0.02
    light = find_ink(coloured(ink, (1, 1, 1), (0, 0, 0)), "light ink")
    assert np.abs(light - ink).mean() < 0.02


@pytest.mark.parametrize("find", [find_ink, find_marks])
@pytest.mark.parametrize(
    ("ground", "level"), [("dark", None), (None, None), ("auto", 1.5), ("auto", 0)]
)
def test_an_unknown_ground_or_level_is_refused(find, ground, level):
    with pytest.raises(ValueError, match=r"auto, dark ink, light ink.*between 0 and 1"):
        find(PLAIN.astype(np.float32), ground, level)
    with pytest.raises(ValueError, match="ground is one of"):
        find_digit(picture_of(write(7, 140, 140, 100)), ground, level)


@pytest.mark.parametrize("shape", ["ellipse", "rectangle"])
@pytest.mark.parametrize(
    "colours", [("#202028", "white"), ("#c09840", "#f4f2ee"), ("white", "black")]
)
def test_a_solid_shape_is_no_ink(shape, colours):
    image = Image.new("RGB", (300, 240), colours[1])
    getattr(ImageDraw.Draw(image), shape)((60, 40, 200, 190), fill=colours[0])
    with pytest.raises(DigitsError, match="only solid shapes"):
        find_ink(np.asarray(image, np.float32) / 255)


@pytest.mark.parametrize(
    ("shape", "extra"),
    [("ellipse", {}), ("rectangle", {}), ("rounded_rectangle", {"radius": 45})],
)
def test_an_empty_badge_is_no_ink(shape, extra):
    image = Image.new("RGB", (960, 960), "white")
    box = (120, 120, 800, 800)
    getattr(ImageDraw.Draw(image), shape)(box, outline="#202028", width=28, **extra)
    with pytest.raises(DigitsError):
        find_ink(np.asarray(image.reduce(4), np.float32) / 255)


def test_a_round_nought_of_a_pen_is_ink():
    turn = np.linspace(0, 6.4, 60)
    radii = 80 + 5 * np.sin(2 * turn + 1) + turn
    circle = np.stack([140 + radii * np.cos(turn), 140 + radii * np.sin(turn)], axis=1)
    found = find_digit(picture_of([list(map(tuple, circle.tolist()))], pen=12))
    assert found.image.any()


def test_a_solid_shape_beside_the_digit_is_left_out():
    picture = np.concatenate([PLAIN, np.ones_like(PLAIN)], axis=1).astype(np.float32)
    y, x = np.mgrid[:SIDE, : 2 * SIDE]
    picture[np.hypot(y - 120, x - 360) < 80] = (0.75, 0.6, 0.25)
    ink = find_ink(picture)
    assert np.abs(ink[:, :SIDE] - page()).mean() < 0.02
    assert not ink[:, SIDE:].any()
    assert find_marks(picture)[1].count == 1


@pytest.mark.parametrize("pen", [4, 8, 14])
def test_the_ring_of_a_face_is_no_ring_to_write_in(pen):
    picture = picture_of(face(140, 140, 80), pen=pen)
    assert min(find_digit(picture).box[2:]) >= 150
    assert predict(picture).verdict == "none"


def test_digits_on_a_ruled_line_are_no_ring_about_another():
    picture = Image.new("RGB", (120, 70), (235, 235, 235))
    draw = ImageDraw.Draw(picture)
    draw.line((8, 62, 112, 62), (40, 40, 40), 4)
    for strokes in (
        [(14, 62), (14, 10), (90, 8)],
        [(36, 22), (74, 22), (52, 54)],
        [(100, 14), (86, 62)],
    ):
        draw.line(strokes, (40, 40, 40), 5)
    _, regions, left_out = find_marks(np.asarray(picture, np.float32) / 255)
    assert regions.only(regions.heights > 20).count == 3
    assert "a ruled line" in {left.reason for left in left_out}


@pytest.mark.parametrize("pen", [20, 30, 34])
def test_a_thick_nought_is_ink(pen):
    image = Image.new("L", (200, 240), 255)
    ImageDraw.Draw(image).ellipse((60, 50, 150, 190), outline=0, width=pen)
    levels = np.repeat(np.asarray(image, np.float32)[..., None] / 255, 3, axis=2)
    assert np.abs(find_ink(levels) - (1 - levels[..., 0])).mean() < 0.01


def test_a_threshold_decides_what_is_ink():
    picture = coloured(page(), (0, 0, 0), (1, 1, 1))
    picture[100:140, 66:74] = 0.65  # a grey stroke beside the digit, a third as strong
    low, high = (find_ink(picture, level=level) for level in (0.2, 0.7))
    assert low[110:130, 68:72].min() > 0.2
    assert high[110:130, 60:80].max() == 0


def test_parts_of_a_digit_stay_together():
    """A five whose bar does not touch."""
    picture = np.ones((SIDE, SIDE, 3), np.float32)
    picture[60:70, 100:150] = 0
    picture[76:160, 96:106] = 0
    picture[150:160, 96:150] = 0
    assert (find_ink(picture)[60:70, 105:145] > 0.5).all()


@pytest.mark.parametrize("kind", [np.copy, noisy, lambda p: tabled(p).mean(axis=2, keepdims=True)])
def test_one_channel_says_what_three_equal_ones_say(kind):
    grey = np.broadcast_to(kind(PLAIN)[..., :1].astype(np.float32), PLAIN.shape)
    np.testing.assert_allclose(find_ink(grey), find_ink(grey.copy()), atol=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_picture_with_nothing_on_it_is_blank(level):
    with pytest.raises(DigitsError, match="blank"):
        find_ink(np.full((60, 80, 3), level, np.float32))


def test_light_that_falls_off_is_no_sure_digit(shipped_models):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :300] / 300
    n_sure = 0
    for turn in np.radians(range(0, 360, 18)):
        light = 0.5 + 0.4 * (np.cos(turn) * x + np.sin(turn) * y)
        light += 0.01 * rng.standard_normal(light.shape)
        file = io.BytesIO()
        Image.fromarray(np.uint8(255 * light.clip(0, 1))).save(file, "PNG")
        n_sure += predict(file.getvalue(), models=shipped_models).verdict == "sure"
    assert n_sure <= 2


def test_faint_noise_is_blank():
    noise = np.random.default_rng(0).standard_normal((200, 200, 3)) * 0.01
    with pytest.raises(DigitsError, match="blank"):
        find_ink((0.8 + noise).astype(np.float32))


def test_a_pen_is_changed_as_before(monkeypatch):
    """Distances are told no further than is needed; what comes of them stays the same."""
    whole = mnist_form._distances
    for columns in (slice(50, 54), slice(20, 90)):
        ink = np.zeros((200, 120), np.float32)
        ink[20:180, columns] = 1
        short = with_usual_pen(ink)
        with monkeypatch.context() as patch:
            patch.setattr(mnist_form, "_distances", lambda inside, reach=0.0: whole(inside))
            np.testing.assert_array_equal(short, with_usual_pen(ink))
