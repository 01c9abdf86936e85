"""Whole numbers: found digit by digit, in reading order, on the real command line."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from commandline import EXAMPLES, ROOT, assert_nothing_done, execute, objects, png
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from ovr_digits import read
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.digit import find_digit
from ovr_digits.picture.guides import find_ruled_lines
from ovr_digits.picture.ink import find_ink
from ovr_digits.picture.lines import find_layout
from ovr_digits.picture.number import find_number
from ovr_digits.picture.photo import Photo
from ovr_digits.picture.regions import find_regions
from ovr_digits.picture.sides import find_sides
from ovr_digits.picture.turning import stands_better
from ovr_digits.report.plots.answers import plot_numbers

NAMES = "zero one two three four five six seven eight nine".split()  # noqa: SIM905


@functools.cache
def digit_picture(digit: int, height: int = 90) -> Image.Image:
    """One of the examples, dark on white, cut to its ink."""
    ink = find_ink(Photo(EXAMPLES / f"{NAMES[digit]}.png").whole.picture)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8)).crop(
        (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    )
    return cut.resize((max(8, round(cut.width * height / cut.height)), height))


def write_number(path: Path, *lines: str, gap: int = 30, slope: float = 0.0) -> Path:
    """Lines of digits on a white page."""
    page = Image.new("L", (140 * max(map(len, lines)) + 160, 190 * len(lines) + 120), 255)
    for row, line in enumerate(lines):
        x = 60
        for digit in line:
            picture = digit_picture(int(digit))
            page.paste(picture, (x, 60 + 190 * row + round(slope * x)))
            x += picture.width + gap
    page.save(path)
    return path


def read_page(models: DetectorArrays, page: Image.Image) -> NumberAnswer:
    return find_number(models, png(page))


class Guessing:
    """Detectors that look at nothing, for what is to be tried a hundred times."""

    signs = pieces = None

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.tile(np.arange(10.0) - 8.5, (len(X), 1))


GUESSING = cast(DetectorArrays, Guessing())
LONG = pytest.mark.long


@pytest.fixture
def models(shipped_models) -> DetectorArrays:
    return shipped_models


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        pytest.param(["7"], {}, id="one digit"),
        pytest.param(["8956230"], {}, id="side by side"),
        pytest.param(["305", "92", "4786"], {}, id="lines from top to bottom"),
        pytest.param(["3", "0", "5", "9"], {}, id="under one another"),
        pytest.param(["30592"], {"slope": -0.06}, id="a line that rises is one line"),
        pytest.param(["30592"], {"slope": 0.06}, id="a line that falls is one line"),
        pytest.param(["3205"], {"gap": -2}, id="digits that touch are parted"),
    ],
)
def test_numbers_are_read_as_they_are_written(tmp_path, models, lines, how):
    path = write_number(tmp_path / "n.png", *lines, **how)
    assert read(path, models=models).text == "\n".join(lines)


def test_boxes_are_in_pixels_of_the_picture(tmp_path, models):
    path = write_number(tmp_path / "n.png", "42")
    large = tmp_path / "large.png"
    with Image.open(path) as picture:
        picture.resize((picture.width * 6, picture.height * 6)).save(large)
    for source, factor in ((path, 1), (large, 6)):
        (line,) = read(source, models=models).lines
        x, y, w, h = line[0].box
        four = digit_picture(4)
        wanted = np.array([60, 60, four.width, four.height]) * factor
        np.testing.assert_allclose([x, y, w, h], wanted, atol=4 * factor)
        assert line[1].box[0] > x + w


def test_a_blank_page_is_an_error(models):
    with pytest.raises(DigitsError, match="blank"):
        read_page(models, Image.new("L", (100, 100), 255))


@pytest.mark.parametrize("n_examples", [6, pytest.param(200, marks=LONG)])
def test_any_pixels_give_digits_or_a_clear_error(n_examples):
    @settings(max_examples=n_examples)
    @given(arrays(np.uint8, st.tuples(st.integers(5, 60), st.integers(5, 60))))
    def read(pixels):
        try:
            number = read_page(GUESSING, Image.fromarray(pixels))
        except DigitsError:
            return  # there may be no ink among them
        assert "".join(number.text.split()).isdigit()

    read()


class Counting:
    """Detectors that recognise nothing, and count what they are asked about."""

    signs = pieces = None

    def __init__(self) -> None:
        self.counts: list[int] = []

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        self.counts.append(len(X))
        return np.tile(np.arange(10.0) - 9.5, (len(X), 1))


@functools.cache
def hostile_pictures() -> dict[str, Image.Image]:
    """What has more ways to be cut than anybody can wait for."""
    rng = np.random.default_rng(0)
    names = ("line", "equals", "tilted line", "wave", "fine wave", "comb", "hatching", "scribbles")
    pictures = {name: Image.new("L", (900, 300), 255) for name in names}
    pens = {name: ImageDraw.Draw(picture) for name, picture in pictures.items()}
    pens["line"].line((225, 150, 675, 150), 0, 18)
    pens["equals"].line((225, 120, 675, 120), 0, 18)
    pens["equals"].line((225, 180, 675, 180), 0, 18)
    pens["tilted line"].line((100, 130, 800, 190), 0, 18)
    x = np.arange(20, 880, 2)
    pens["wave"].line([*zip(x, 150 + 60 * np.sin(x / 18), strict=True)], 0, 8)
    pens["fine wave"].line([*zip(x, 150 + 15 * np.sin(x / 8), strict=True)], 0, 4)
    pens["comb"].rectangle((20, 150, 880, 162), 0)
    for left in range(20, 880, 16):
        pens["comb"].line((left, 60, left, 150), 0, 5)
        pens["hatching"].line((left, 60, left + 120, 240), 0, 5)
        pens["hatching"].line((left + 120, 60, left, 240), 0, 5)
    for left in range(20, 860, 80):
        for top in (20, 110, 200):
            points = rng.uniform((left, top), (left + 60, top + 60), (9, 2))
            pens["scribbles"].line([*map(tuple, points)], 0, 4)
    row, three = Image.new("L", (4000, 160), 255), digit_picture(3, 60)
    for k in range(100):
        row.paste(three, (40 + 36 * k, 50))
    specks = np.kron(rng.random((60, 80)) < 0.5, np.ones((8, 8)))
    return pictures | {"row": row, "specks": Image.fromarray(np.uint8(255 * specks))}


@pytest.mark.parametrize("name", hostile_pictures())
def test_the_work_on_a_picture_has_a_bound(name):
    models = Counting()
    with contextlib.suppress(DigitsError):  # there may be no digit among it
        read_page(cast(DetectorArrays, models), hostile_pictures()[name])
    n_marks, *n_pieces = models.counts or [0]
    # Which way is up is asked of forty marks at most.
    assert sum(n_pieces) <= 300 + n_marks / 2 + 4 * 40


@pytest.mark.parametrize("name", ["line", "equals", "tilted line"])
def test_a_line_is_no_row_of_digits(run, models, tmp_path, name):
    hostile_pictures()[name].save(tmp_path / "n.png")
    with contextlib.suppress(DigitsError):
        lines = read(tmp_path / "n.png", models=models).lines
        assert all(len(line) == 1 and line[0].vote.verdict != "sure" for line in lines)
    assert run("predict", tmp_path / "n.png", "--brief").stderr == ""


def test_the_command(run, tmp_path):
    first = write_number(tmp_path / "a.png", "4071")
    second = write_number(tmp_path / "b.png", "22", "9")
    assert run("read", first).stdout == "4071\n"
    both = run("read", first, second)
    assert both.returncode == 0
    assert both.stdout == f"{first}: 4071\n{second}: 22\n{second}: 9\n"


def test_the_command_in_json(run, tmp_path):
    path = write_number(tmp_path / "a.png", "407", "1")
    answer, failure = objects(run("read", "--json", path, tmp_path / "absent.png"), status=1)
    assert set(answer) == {
        *("path", "text", "lines", "confidence", "verdict", "digits", "fields", "signs", "left_out")
    }
    assert (answer["text"], answer["lines"]) == ("407\n1", ["407", "1"])
    assert [d["digit"] for d in answer["digits"]] == [4, 0, 7, 1]
    for digit in answer["digits"]:
        assert set(digit) == {"box", "digit", "confidence", "verdict", "votes"}
    assert failure == {"path": str(tmp_path / "absent.png"), "error": "no such file"}


def test_the_command_names_what_fails(run):
    assert_nothing_done(run("read", "absent.png"), "ovr-digits: absent.png: no such file")


def test_the_command_saves_what_it_found(run, tmp_path):
    path = write_number(tmp_path / "a.png", "4071")
    done = run("read", path, path, "--save", tmp_path / "found.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "found.png") as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (colours == (0, 0x72, 0xB2)).all(axis=1).sum() > 500


def test_several_pictures_are_a_grid_in_one(models, tmp_path):
    path = write_number(tmp_path / "a.png", "40", "71")
    number = read(path, models=models)
    figure = plot_numbers([number] * 4, [f"page {k}" for k in range(4)])
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(p.rowspan.start, p.colspan.start) for p in places] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for k, axes in enumerate(figure.axes):
        assert axes.get_title(loc="left") == f"page {k}"
        assert [text.get_text() for text in axes.texts] == ["4", "0", "7", "1"]


def test_predict_points_to_read_where_there_are_several_digits(run, tmp_path):
    path = write_number(tmp_path / "my number.png", "4071")
    done = run("predict", path, "--brief")
    assert done.returncode == 0
    wanted = f"this picture seems to hold 4 digits; read them with ovr-digits read '{path}'"
    assert done.stderr == f"ovr-digits: {wanted}\n"
    assert len(done.stdout.splitlines()) == 1
    done = run("predict", path, "--json")
    (answer,) = objects(done)
    assert done.stderr == ""
    assert set(answer) == {*("path", "digit", "confidence", "verdict", "fired", "votes", "scores")}


def test_predict_takes_one_digit_for_one(run, tmp_path):
    page = Image.new("L", (300, 240), 255)
    page.paste(digit_picture(5, 120), (100, 60))
    for x, y in ((20, 20), (250, 200), (30, 180)):
        page.paste(0, (x, y, x + 5, y + 5))
    page.paste(255, (80, 110, 260, 114))  # a stroke with a gap
    page.save(tmp_path / "five.png")
    assert run("predict", tmp_path / "five.png").stderr == ""


def drawn_page(*digits: tuple[int, int, int], size=(500, 220)) -> Image.Image:
    page = Image.new("L", size, 255)
    for digit, x, height in digits:
        page.paste(digit_picture(digit, height), (x, 150 - height))
    return page


def test_points_and_signs_beside_digits_are_told_apart(models):
    page = drawn_page((3, 120, 90), (1, 230, 90), (4, 290, 90))
    page.paste(0, (205, 142, 213, 150))  # a point
    page.paste(0, (50, 100, 90, 108))  # a minus
    number = read_page(models, page)
    assert number.text == "-3.14"
    assert [sign.sign for sign in number.signs] == ["-", "."]
    assert number.without_signs().text == "314"


def test_digits_of_different_size_and_groups_of_them(models):
    page = drawn_page((4, 30, 120), (0, 130, 80), (7, 300, 70), (1, 400, 110))
    assert read_page(models, page).text == "40 71"


@pytest.mark.parametrize("letters", ["AEFHKM", "NRWkmw"])
def test_letters_are_not_several_sure_digits(models, letters):
    page = Image.new("L", (200 * len(letters) + 100, 220), 255)
    pen = ImageDraw.Draw(page)
    for k, letter in enumerate(letters):
        page.paste(digit_picture(4 + k, 90), (200 * k + 30, 60))
        pen.text((200 * k + 120, 150), letter, 0, ImageFont.load_default(110), anchor="ls")
    (line,) = read_page(models, page).lines
    sure = [found for found in line if found.vote.verdict == "sure"]
    places = [divmod(found.box[0] + found.box[2] / 2, 200) for found in sure]
    of_letters = [k for k, x in places if x > 115]
    # An R may be cut into a 1 and a 3, which explain all of its ink.
    assert len(of_letters) <= len(set(of_letters)) + 1
    digits = [found.vote.digit for found, (_, x) in zip(sure, places, strict=True) if x <= 115]
    assert digits == [4 + k for k in range(len(letters))]


def test_boxes_of_a_form_are_not_read(models):
    page = drawn_page((4, 40, 80), (0, 160, 80), (7, 280, 80))
    for x in (20, 140, 260):
        for box in ((0, 0, 100, 3), (0, 117, 100, 120), (0, 0, 3, 120), (97, 0, 100, 120)):
            page.paste(0, (box[0] + x, box[1] + 50, box[2] + x, box[3] + 50))
    assert read_page(models, page).text == "407"


PAPER = (244, 244, 244)


def written(
    *digits: tuple[int, int, int], pens: dict[int, tuple[int, int, int]] | None = None
) -> Image.Image:
    """Digits (digit, x, height) in a line, some of them with a pen of another colour."""
    page = Image.new("RGB", (660, 200), PAPER)
    for place, (digit, x, height) in enumerate(digits):
        ink = ImageOps.invert(digit_picture(digit, height))
        page.paste((pens or {}).get(place, (30, 30, 30)), (x, 100 - height // 2), ink)
    return page


ROW = [(2, 40, 100), (1, 170, 100), (0, 280, 100), (3, 410, 100), (4, 530, 100)]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    "pen", [pytest.param((170, 170, 170), id="pencil"), pytest.param((120, 170, 230), id="blue")]
)
def test_a_digit_that_is_paler_than_its_neighbours_is_read(models, place, pen):
    number = read_page(models, written(*ROW, pens={place: pen}))
    assert number.text == "21034"
    assert number.left_out == []


def test_a_small_digit_is_read(models):
    row = [*ROW[:2], (0, 300, 42), *ROW[3:]]
    assert read_page(models, written(*row)).text == "21034"


def test_a_thin_digit_among_thick_ones_is_read(models):
    thin, row = written((0, 280, 100)), [(3, 40, 100), (3, 160, 100), (3, 410, 100), (3, 530, 100)]
    page = ImageChops.darker(written(*row).filter(ImageFilter.MinFilter(7)), thin)
    assert read_page(models, page).text == "33033"


def boxed(page: Image.Image, apart: int = 122) -> Image.Image:
    draw = ImageDraw.Draw(page)
    for k in range(5):
        draw.rectangle((25 + 122 * k, 30, 25 + 122 * k + apart, 170), outline=(50, 50, 50), width=3)
    return page


def test_a_digit_in_a_box_of_its_own_is_read_and_the_box_is_told(models):
    number = read_page(models, boxed(written(*ROW), apart=112))
    assert number.text == "21034"
    assert [reason for _, reason in number.left_out] == ["a box or a ring"] * 5
    assert number.left_out[0][0] == pytest.approx((25, 30, 113, 141), abs=2)


def test_digits_in_a_comb_are_read(models):
    assert read_page(models, boxed(written(*ROW))).text == "21034"


@pytest.mark.parametrize("turn", [0, 2])
@pytest.mark.parametrize("apart", [112, 122])
def test_empty_boxes_are_no_digits(models, apart, turn):
    page = boxed(written(), apart).rotate(turn, Image.Resampling.BICUBIC, fillcolor=PAPER)
    with pytest.raises(DigitsError, match="no digit on the picture"):
        read_page(models, page)


def turned(page: Image.Image, degrees: float) -> Image.Image:
    """Counter-clockwise, on a larger sheet of the same paper."""
    return page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)


@pytest.mark.parametrize(
    "degrees", [-30, 90, 180, 115, *(pytest.param(d, marks=LONG) for d in (14, 270, -65))]
)
def test_a_page_that_is_turned_is_read(models, degrees):
    page = Image.new("RGB", (660, 400), PAPER)
    page.paste(written(*ROW))
    below = [(digit, 60 + 130 * k, 90) for k, digit in enumerate((3, 5, 7, 4))]
    page.paste(written(*below), (0, 200))
    number = read_page(models, turned(page, degrees))
    assert number.text == "21034\n3574"
    assert abs((number.turn + degrees + 180) % 360 - 180) <= 3


@pytest.mark.parametrize("degrees", [20, 90, 180])
def test_boxes_of_a_turned_page_are_about_its_digits(models, degrees):
    page = written(*ROW)
    sheet = turned(page, degrees)
    for place, found in enumerate(read_page(models, sheet).digits):
        alone = ImageOps.invert(turned(written(ROW[place]), degrees).convert("L"))
        left, top, right, bottom = alone.point(lambda level: 255 * (level > 90)).getbbox()
        x, y, width, height = found.box
        assert x <= left + 4
        assert y <= top + 4
        assert x + width >= right - 4
        assert y + height >= bottom - 4
        assert width * height < 2 * (right - left) * (bottom - top)


@pytest.mark.parametrize("number", ["6", "7", "69", "1068", "16", "901"])
def test_what_can_be_read_either_way_is_read_as_it_stands(models, number):
    row = [(int(digit), 40 + 120 * k, 100) for k, digit in enumerate(number)]
    assert read_page(models, written(*row)).text == number
    standing = read_page(models, written(*row))
    assert standing.turn == 0
    assert "turn" not in standing.as_json()


def test_a_page_that_stands_is_read_once(models, monkeypatch):
    """Which way is up is asked only where digits are not sure."""
    monkeypatch.setattr("ovr_digits.picture.number.quarter_turns", lambda *_: pytest.fail("asked"))
    assert read_page(models, written(*ROW)).text == "21034"


@pytest.mark.parametrize("margin", [0, 1, 2])
@pytest.mark.parametrize("number", ["1471", "7114", "11", "4401"])
def test_a_number_may_be_cut_out_tightly(models, number, margin):
    pictures = [digit_picture(int(digit)) for digit in number]
    page = Image.new("L", (sum(p.width + 30 for p in pictures) - 30, 90), 255)
    x = 0
    for picture in pictures:
        page.paste(picture, (x, 0))
        x += picture.width + 30
    assert read_page(models, ImageOps.expand(page, margin, 255)).text == number


def test_a_page_of_two_thousand_digits_is_arranged_whole():
    size, across, down = 12, 40, 50
    mask = np.zeros((down * 20 + 20, across * 20 + 20), bool)
    for row, column in itertools.product(range(down), range(across)):
        top, left = 10 + 20 * row + (row * column) % 3, 10 + 20 * column
        mask[top : top + size, left : left + 8] = True
        mask[top + 2 : top + size - 2, left + 2 : left + 6] = False
    layout = find_layout(find_regions(mask))
    assert [len(line) for line in layout.lines] == [across] * down
    assert layout.left_out == []
    for line in layout.lines:
        lefts = [group.box[1] for group in line]
        assert lefts == sorted(lefts)


def test_more_than_two_hundred_digits_are_read(models):
    digits = (0, 2, 3, 5, 6, 8)
    pictures = [digit_picture(digit, 40) for digit in digits]
    page = Image.new("L", (60 * 6 + 40, 60 * 36 + 40), 255)
    for row, place in itertools.product(range(36), range(6)):
        page.paste(pictures[place], (20 + 60 * place, 20 + 60 * row))
    assert read_page(models, page).text == "\n".join(["023568"] * 36)


def test_the_base_of_a_one_is_part_of_it(models):
    page = Image.new("L", (200, 240), 255)
    draw = ImageDraw.Draw(page)
    draw.line([(80, 70), (105, 45), (105, 180)], fill=0, width=11, joint="curve")
    draw.rectangle((68, 190, 142, 200), fill=0)
    _, top, _, height = find_digit(png(page)).box
    assert (top, top + height) == pytest.approx((40, 201), abs=6)
    assert read_page(models, page).text == "1"


def test_the_command_tells_what_it_leaves_out(run, tmp_path):
    boxed(written(*ROW), apart=112).save(tmp_path / "form.png")
    done = run("read", tmp_path / "form.png", "--json")
    (answer,) = objects(done)
    assert done.stderr == f"ovr-digits: {tmp_path / 'form.png'}: left out: 5× a box or a ring\n"
    assert [left["reason"] for left in answer["left_out"]] == ["a box or a ring"] * 5
    assert answer["verdict"] in ("sure", "conflict", "none")
    assert 0 < answer["confidence"] < 1


WITH_BENCHMARKS = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are only in the checkout"
)


@WITH_BENCHMARKS
@pytest.mark.parametrize(("kind", "at_least"), [("separated", 4), ("touching", 2)])
def test_drawn_numbers(mnist_dir, models, kind, at_least):
    from benchmarks.numbers import draw_random
    from benchmarks.peers.numbers import Ours

    split = load_split("mnist", "test", mnist_dir)
    rng = np.random.default_rng(3)
    drawn = [draw_random(split.X, split.y, kind, rng) for _ in range(5)]
    read = Ours(models).read([picture.content for picture in drawn], "0123456789")
    assert sum(picture.text == text for picture, text in zip(drawn, read, strict=True)) >= at_least


@WITH_BENCHMARKS
@LONG
def test_drawn_numbers_are_tabled(mnist_dir, tmp_path):
    command = ["-m", "benchmarks.numbers", "--data-dir", mnist_dir, "--only", "ours"]
    done = execute(*command, "--count", "5", "--output", tmp_path, folder=ROOT)
    assert done.returncode == 0, done.stderr
    assert "| touching: ovr-digits | 5 |" in done.stdout
    suites = json.loads((tmp_path / "numbers.json").read_text())["numbers"]
    assert [len(suite["read"]) for suite in suites] == [5] * 4
    assert all(suite["milliseconds"] > 0 for suite in suites)
    assert (tmp_path / "numbers.md").read_text().endswith(done.stdout[done.stdout.index("|") :])


@WITH_BENCHMARKS
def test_a_folder_of_labelled_numbers_is_measured_by_part(tmp_path):
    from benchmarks.numbers import Result, compared, edit_distance, load_suites

    for name in ("a.png", "b.png"):
        write_number(tmp_path / name, "42")
    (tmp_path / "labels.csv").write_text("file,text\na.png,4-2\nb.png,42\n")
    (suite,) = load_suites(tmp_path)
    assert suite == tmp_path.name
    rows = [{"file": "a.png", "digits": "42", "part": "x"}, {"file": "b.png", "digits": "42"}]
    (tmp_path / "labels.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert {name: len(of) for name, of in load_suites(tmp_path).items()} == {"x": 1, suite: 1}
    assert [*load_suites(tmp_path, "x")] == ["x"]
    assert edit_distance("1234", "124") == edit_distance("", "7") == 1
    assert compared("4 2,\n7", "0123456789") == "427"
    row = Result("ours", "x", ["42", "75"], ["42", "7"], 3.2, 5_000_000).row()
    assert row == ["x: ours", "2", "50.0 %", "75.0 %", "3", "5"]


@pytest.mark.parametrize(
    ("digits", "at_least"), [([4], 3), pytest.param([1, 4, 7, 8], 10, marks=LONG)]
)
def test_zeros_with_one_stroke_through_all_of_them_are_parted(models, digits, at_least):
    n_right = 0
    for first, height, width in itertools.product(digits, (84, 119), (70, 100)):
        page = Image.new("L", (700, 260), 255)
        page.paste(digit_picture(first, 140), (60, 60))
        draw, left = ImageDraw.Draw(page), 170
        for _ in range(3):
            draw.ellipse((left, 200 - height, left + width, 200), outline=30, width=9)
            left += width - 8
        draw.line((140, 200 - height // 2, left, 200 - height // 2), fill=30, width=9)
        n_right += read_page(models, page).text == f"{first}000"
    assert n_right >= at_least


def test_a_row_that_is_wider_than_any_digit_is_never_one(tmp_path, models):
    path = write_number(tmp_path / "row.png", "60000", gap=-8)
    row = np.asarray(Image.open(path))
    # So much over one another that no way of parting them looks right.
    assert len(find_number(models, path).digits) == 5
    pictures, x = [digit_picture(int(digit)) for digit in "60000"], 60
    page = Image.new("L", row.shape[::-1], 255)
    for picture in pictures:
        part = np.asarray(page)[60 : 60 + picture.height, x : x + picture.width]
        page.paste(Image.fromarray(np.minimum(part, np.asarray(picture))), (x, 60))
        x += picture.width - 26
    assert len(read_page(models, page).digits) > 1


def test_a_page_is_turned_only_where_it_reads_better_then():
    assert stands_better([6.0, 5.0, 7.0], [-3.0, 2.0, 1.0])
    assert not stands_better([6.0, 5.0, 7.0], [6.0, 6.0, 6.0, 6.0])
    # Of digits that touch each other, not even one detector is sure either way.
    assert not stands_better([-3.6, -1.7, -0.6, 8.1], [6.3, -5.5, -5.5, -4.8])


@pytest.mark.parametrize("tilt", [0, 1, 3])
def test_a_thin_underline_that_digits_touch_is_no_ink(models, tilt):
    page = written(*ROW)
    bottom = int(np.flatnonzero((np.asarray(page) < 128).any(axis=1))[-1])
    ImageDraw.Draw(page).line((20, bottom - 2, page.width - 60, bottom - 2 + tilt), 120, 1)
    assert read_page(models, page).text == "".join(str(digit) for digit, *_ in ROW)


def test_a_comb_to_write_in_is_no_ink(models):
    page = written(*ROW)
    ink = np.flatnonzero((np.asarray(page) < 128).any(axis=1))
    pen, base = ImageDraw.Draw(page), int(ink[-1]) + 8
    pen.line((25, base, 25 + 122 * 5, base), 90, 2)
    for k in range(6):
        pen.line((25 + 122 * k, base - 30, 25 + 122 * k, base), 90, 2)
    assert read_page(models, page).text == "".join(str(digit) for digit, *_ in ROW)


def test_the_line_under_a_row_that_was_cut_out_is_a_ruled_line_though_thick_for_so_low_a_picture():
    row = Image.new("1", (100, 54))
    pen = ImageDraw.Draw(row)
    for left in (10, 36, 62):
        pen.ellipse((left, 8, left + 20, 44), 0, 1, 6)
    pen.line((0, 44, 100, 46), 1, 5)
    lines = find_ruled_lines(np.asarray(row))
    assert lines.any(axis=0).mean() > 0.5
    assert not lines[:40].any()


def test_the_feet_of_a_row_that_was_cut_out_are_no_line_along_its_side():
    row = Image.new("1", (140, 54))
    pen = ImageDraw.Draw(row)
    pen.line((10, 8, 12, 45), 1, 4)
    pen.line((4, 45, 18, 45), 1, 3)
    for left, y in ((30, 45), (66, 43), (102, 41)):
        pen.line((left + 22, 8, left, y), 1, 4)
        pen.line((left, y, left + 30 if left < 100 else 140, y), 1, 3)
    mask = np.asarray(row)
    assert not find_sides(mask, mask).any()
