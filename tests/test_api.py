"""What Python users call: any picture in, answers out, and one sentence where there is none."""

from __future__ import annotations

import io
import os
import pydoc
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from commandline import EXAMPLES, ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from PIL import Image, ImageDraw
from test_image import encoded
from test_number import write_number
from test_pages import numbered, of_pages

import ovr_digits
from ovr_digits import (
    DigitAnswer,
    DigitsError,
    Expected,
    NumberAnswer,
    Unreadable,
    count_pages,
    find_form,
    load_models,
    predict,
    read,
)
from ovr_digits import api as api_module

LONG = pytest.mark.long


def seven(size: int = 120) -> Image.Image:
    """Black and white, so that it has the same pixels in whatever way it is stored."""
    paper = Image.new("L", (size, size), 255)
    line = [(0.3 * size, 0.2 * size), (0.7 * size, 0.2 * size), (0.43 * size, 0.8 * size)]
    ImageDraw.Draw(paper).line(line, fill=0, width=size // 12, joint="curve")
    return paper


PAPER = seven()
LEVELS = np.asarray(PAPER)
PNG = encoded(PAPER)
BLANK = Image.new("L", (60, 60), 255)


def assert_same(answer: DigitAnswer, other: DigitAnswer) -> None:
    np.testing.assert_array_equal(answer.image, other.image)
    np.testing.assert_allclose(answer.scores, other.scores)
    assert (answer.digit, answer.box, answer.fired) == (other.digit, other.box, other.fired)


# --- whatever the picture is given as -------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda path: str(path), id="text"),
        pytest.param(lambda path: path, id="path"),
        pytest.param(lambda path: PNG, id="bytes"),
        pytest.param(lambda path: bytearray(PNG), id="bytearray"),
        pytest.param(lambda path: memoryview(PNG), id="memoryview"),
        pytest.param(lambda path: io.BytesIO(PNG), id="BytesIO"),
        pytest.param(lambda path: Image.open(io.BytesIO(PNG)), id="PIL, not yet decoded"),
        pytest.param(lambda path: PAPER, id="PIL"),
        pytest.param(lambda path: PAPER.convert("RGB"), id="PIL in colours"),
        pytest.param(lambda path: PAPER.convert("1"), id="PIL of bits"),
        pytest.param(lambda path: LEVELS, id="uint8"),
        pytest.param(lambda path: np.asfortranarray(LEVELS)[:, :, None], id="(h, w, 1)"),
        pytest.param(lambda path: np.stack([LEVELS] * 3, axis=2), id="(h, w, 3)"),
        pytest.param(lambda path: np.asarray(PAPER.convert("RGBA")), id="(h, w, 4)"),
        pytest.param(lambda path: LEVELS > 0, id="bool"),
        pytest.param(lambda path: np.stack([LEVELS > 0] * 3, axis=2), id="bool in colours"),
        pytest.param(lambda path: LEVELS.astype(np.int64), id="int64"),
        pytest.param(lambda path: LEVELS.astype(np.uint16) * 257, id="uint16"),
        pytest.param(lambda path: LEVELS.astype(">u2") * 257, id="uint16, other bytes first"),
        pytest.param(lambda path: np.dstack([np.uint16(257) * LEVELS] * 3), id="uint16, 3"),
        pytest.param(lambda path: LEVELS / 255, id="float64 to 1"),
        pytest.param(lambda path: (LEVELS / 255).astype(np.float16), id="float16 to 1"),
        pytest.param(lambda path: np.stack([LEVELS / 255] * 3, axis=2), id="float64, 3, to 1"),
        pytest.param(lambda path: LEVELS.astype(np.float32), id="float32 to 255"),
        pytest.param(lambda path: LEVELS * 257.0, id="float64 to 65535"),
    ],
)
def test_the_same_picture_has_the_same_answer_whatever_it_is_given_as(
    tmp_path: Path, shipped_models: Any, given: Callable[[Path], Any]
) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(PNG)
    wanted = predict(path, models=shipped_models)
    assert (wanted.digit, wanted.verdict) == (7, "sure")
    assert_same(predict(given(path), models=shipped_models), wanted)
    assert read(given(path), models=shipped_models).text == "7"
    np.testing.assert_array_equal(find_form(given(path)), wanted.image)
    assert count_pages(given(path)) == 1


def test_an_open_file_is_read_from_where_it_stands(tmp_path, shipped_models):
    (tmp_path / "seven.png").write_bytes(b"head" + PNG)
    with (tmp_path / "seven.png").open("rb") as file:
        file.seek(4)
        assert predict(file, models=shipped_models).digit == 7
        with pytest.raises(DigitsError, match="empty"):
            predict(file, models=shipped_models)


def test_grey_levels_in_between_mean_the_same_in_a_file_and_in_an_array(shipped_models):
    """Of sixteen bits, of colours and of a transparent ground."""
    rng = np.random.default_rng(0)
    paper = np.asarray(seven(200).resize((150, 150)), np.uint16)
    deep = paper * 200 + rng.integers(0, 9000, paper.shape, np.uint16)
    colours = np.stack([paper // 2 + 90, paper, paper // 3], axis=2).astype(np.uint8)
    clear = np.dstack([np.zeros((150, 150, 3), np.uint8), (255 - paper).astype(np.uint8)])
    for levels in (deep, colours, clear):
        file = encoded(Image.fromarray(levels))
        assert_same(predict(levels, models=shipped_models), predict(file, models=shipped_models))
        assert predict(levels, models=shipped_models).digit == 7


def test_a_picture_of_pillows_is_turned_upright_and_left_as_it_was(tmp_path, shipped_models):
    """A JPEG that is not decoded yet could be decoded at a reduced scale, and would stay so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    seven(4000).transpose(Image.Transpose.ROTATE_90).crop((0, 0, 4000, 3900)).save(path, exif=exif)
    with Image.open(path) as picture:
        answer = predict(picture, models=shipped_models)
        assert picture.size == (4000, 3900)
    assert answer.digit == 7
    np.testing.assert_allclose(answer.box, predict(path, models=shipped_models).box, atol=8)


# --- what an answer is ----------------------------------------------------------------------------


def test_an_answer_says_what_the_vote_says(shipped_models):
    answer = predict(PNG, models=shipped_models)
    assert isinstance(answer, DigitAnswer)
    assert int(answer) == answer.digit == 7
    assert answer.fired == (7,)
    assert answer.confidence == max(answer.votes) > 0.9
    assert len(answer.scores) == len(answer.votes) == 10
    assert answer.image.shape == (28, 28)
    assert answer.image.dtype == np.uint8
    np.testing.assert_allclose(answer.box, (31, 19, 58, 82), atol=6)
    assert answer.error is answer.path is answer.page is answer.pages is None


def test_an_answer_is_small_however_large_the_picture(shipped_models):
    for answer in (
        predict(seven(3000), models=shipped_models),
        read(seven(3000), models=shipped_models),
    ):
        assert answer.picture.shape == (300, 300, 3)
        assert answer.scale == pytest.approx(0.1)


def test_what_no_detector_recognises_is_no_int(shipped_models):
    blank = predict(BLANK, models=shipped_models)
    assert (blank.verdict, blank.box, blank.image.any()) == ("none", (0, 0, 0, 0), False)
    with pytest.raises(ValueError, match=r"no detector recognised a digit.*\.digit"):
        int(blank)


def test_a_number_has_its_text_fields_and_digits(tmp_path, shipped_models):
    path = write_number(tmp_path / "n.png", "0427")
    number = read(path, models=shipped_models)
    assert isinstance(number, NumberAnswer)
    assert (number.text, int(number), number.path) == ("0427", 427, str(path))
    assert [field.text for field in number.fields] == ["0427"]
    assert [int(found) for found in number.digits] == [0, 4, 2, 7]
    first = number.digits[0]
    assert (first.digit, first.verdict, first.fired) == (0, "sure", (0,))
    assert first.image.shape == (28, 28)
    assert len(first.votes) == len(first.scores) == 10


def test_several_numbers_and_none_are_no_int(tmp_path, shipped_models):
    number = read(write_number(tmp_path / "n.png", "42", "17"), models=shipped_models)
    with pytest.raises(ValueError, match="is not one whole number"):
        int(number)
    known = Expected(length="9", lines=1)
    number = read(write_number(tmp_path / "n.png", "42"), models=shipped_models, expected=known)
    assert number.verdict == "none"
    with pytest.raises(ValueError, match=r"best guess, '\d+', is in \.text"):
        int(number)


def test_what_the_person_says_of_the_picture_is_used(shipped_models):
    light = predict(255 - LEVELS, models=shipped_models, ground="light ink", level=0.5)
    assert light.digit == 7
    wrong = predict(255 - LEVELS, models=shipped_models, ground="dark ink")
    assert (wrong.digit, wrong.verdict) != (7, "sure")


# --- several pictures -----------------------------------------------------------------------------


def test_a_list_is_answered_in_its_order_and_what_cannot_be_read_says_why(tmp_path, shipped_models):
    sources = [PNG, str(tmp_path / "absent.png"), LEVELS, None, np.zeros((3, 784)), b"", [PNG]]
    for call in (predict, read):
        good, absent, same, *wrong = call(sources, models=shipped_models)
        assert [answer.error for answer in (good, same)] == [None, None]
        assert (absent.path, absent.error) == (str(tmp_path / "absent.png"), "no such file")
        reasons = ("NoneType", "decision_function", "empty", "list")
        for answer, said in zip(wrong, reasons, strict=True):
            assert isinstance(answer, Unreadable)
            assert said in answer.error
            assert (answer.digit, answer.text, answer.verdict) == (None, None, "none")
            with pytest.raises(ValueError, match=said):
                int(answer)
    assert set(absent.as_json()) == {"path", "error"}


def test_an_unreadable_answer_has_all_that_others_have(shipped_models):
    (wrong,) = predict([None], models=shipped_models)
    for answer in (predict(PNG, models=shipped_models), read(PNG, models=shipped_models)):
        shared = {"picture", "scale", "vote", "of", "n_digits", "left_out", "turn"}
        shared |= {"missing_lines", "without_signs", "lines"}
        public = {name for name in dir(answer) if not name.startswith("_")}
        assert public - shared <= set(dir(wrong))


@pytest.mark.parametrize("kind", [tuple, iter, lambda items: (item for item in items)])
def test_pictures_come_in_any_order_of_python(kind, shipped_models):
    answers = predict(kind([PNG, LEVELS]), models=shipped_models)
    assert [answer.digit for answer in answers] == [7, 7]


def test_of_no_pictures_there_are_no_answers(shipped_models):
    assert predict([], models=shipped_models) == []


# --- one sentence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [predict, read, find_form, count_pages])
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "NoneType is no picture: give a path"),
        (7, "int is no picture"),
        ({"a": 1}, "dict is no picture"),
        (np.float64(7), "float64 is no picture"),
        ("absent.png", "no such file"),
        (Path("absent.png"), "no such file"),
        ("nul\0.png", "null character"),
        ("", "folder"),
        (b"", "the file is empty"),
        (b"nonsense", "not a picture in a format that can be read"),
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((5, 0, 3)), "no pixels"),
        (np.zeros(()), "shape"),
        (np.zeros(9), "shape"),
        (np.zeros((5, 28, 28)), "it takes (h, w)"),
        (np.zeros((28, 28, 2)), "it takes (h, w)"),
        (np.zeros((4, 784)), "load_models().decision_function"),
        (np.zeros(784), "load_models().decision_function"),
        (np.full((30, 30), -1), "levels from -1 to -1"),
        (np.full((30, 30, 3), 70_000), "levels from 70000 to 70000"),
        (np.full((30, 30), 2**63, np.uint64), "levels from"),
        (np.full((30, 30), None), "dtype object"),
        (np.full((30, 30), "a"), "dtype <U1"),
        (np.full((30, 30), 1j), "dtype complex128"),
        (np.broadcast_to(np.uint8(9), (10**6, 10**6)), "too large (1,000,000 megapixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_told_in_one_sentence(call, source, said):
    with pytest.raises(DigitsError, match=re.escape(said)) as error:
        call(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("call", [predict, read])
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros((4, 4)), "too small (4×4 pixels)"),
        (np.full((30, 30), np.nan), "no numbers"),
        (np.full((30, 30, 3), np.inf), "no numbers"),
        (np.full((30, 30), 1e300), "no numbers"),
        (Image.new("L", (0, 0)), "too small"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_read_is_told_in_one_sentence(call, source, said):
    with pytest.raises(DigitsError, match=re.escape(said)) as error:
        call(source)
    assert "\n" not in str(error.value)


def test_a_file_that_gives_no_bytes_is_told():
    with pytest.raises(DigitsError, match="open it in binary mode"):
        predict(io.StringIO("text"))
    file = io.BytesIO(PNG)
    file.close()
    with pytest.raises(DigitsError, match="closed file"):
        predict(file)


@pytest.mark.parametrize("call", [predict, read])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    array=hypothesis_numpy.arrays(
        hypothesis_numpy.scalar_dtypes(),
        st.one_of(
            hypothesis_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12),
            st.tuples(st.integers(5, 24), st.integers(5, 24), st.sampled_from([1, 3, 4])),
        ),
    )
)
def test_any_array_has_an_answer_or_one_sentence(call, array):
    (answer,) = call([array])  # which holds a DigitsError back, and nothing else
    assert not re.search("\n|damaged", answer.error or "")
    assert len(answer._repr_html_()) < 20_000


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"page": "2"}, TypeError, "page is a whole number"),
        ({"page": 1.5}, TypeError, "page is a whole number"),
        ({"page": 0}, DigitsError, "no page 0"),
        ({"ground": "dark"}, ValueError, "ground is one of"),
        ({"level": 2}, ValueError, "level between 0 and 1"),
        ({"level": "0.5"}, ValueError, "level between 0 and 1"),
        ({"models": 7}, TypeError, "models is the path"),
        ({"models": "absent.pkl"}, DigitsError, r"absent.pkl: no such file"),
        ({"models": "nul\0.pkl"}, DigitsError, "null character"),
    ],
)
def test_what_else_cannot_be_meant_is_told(options, kind, said):
    for source in (PNG, [PNG])[: 1 if "page" in options else 2]:
        with pytest.raises(kind, match=said):
            predict(source, **options)


def test_what_is_expected_of_a_number_is_no_text():
    with pytest.raises(TypeError, match=r"Expected\(length="):
        read(PNG, expected="4")


# --- pages ----------------------------------------------------------------------------------------


def test_without_a_page_the_first_is_read_and_it_is_told(tmp_path, shipped_models):
    path = tmp_path / "scan.tif"
    path.write_bytes(of_pages("TIFF", numbered(tmp_path, "407", "33")))
    with pytest.warns(UserWarning, match=r"scan.tif has 2 pages.*only the first") as told:
        number = read(path, models=shipped_models)
    assert told[0].filename == __file__
    assert (number.text, number.page, number.pages) == ("407", 1, 2)
    assert "page 1 of 2" in repr(number)
    with pytest.warns(UserWarning, match="only the first"):
        (number,) = read([path], models=shipped_models)
    assert number.text == "407"
    second = read(path, models=shipped_models, page=2)
    assert (second.text, second.page) == ("33", 2)
    with pytest.raises(DigitsError, match=r"scan.tif: the file has no page 3"):
        read(path, models=shipped_models, page=3)
    answers = read([path, PNG], models=shipped_models, page=2)
    assert [answer.text for answer in answers] == ["33", None]


# --- models ---------------------------------------------------------------------------------------


def test_models_are_read_once_and_again_after_they_have_changed(tmp_path, tiny_models, monkeypatch):
    paths = []
    monkeypatch.setattr(
        api_module, "load_models", lambda path: paths.append(path) or load_models(path)
    )
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_models, "models.pkl")
    first = predict(PNG)
    for models in (None, "models.pkl", Path("models.pkl"), tmp_path / "models.pkl"):
        assert predict(PNG, models=models).scores == first.scores
    assert paths == [tmp_path / "models.pkl"]
    assert predict(PNG, models=load_models("models.pkl")).scores == first.scores
    shutil.copy(ROOT / "models.pkl", "models.pkl")
    os.utime("models.pkl", (1, 1))
    assert predict(PNG).scores != first.scores
    assert len(paths) == 2


# --- how they show themselves ---------------------------------------------------------------------


def test_answers_show_themselves_in_a_notebook(tmp_path, shipped_models):
    rng = np.random.default_rng(0)
    noisy = np.asarray(seven(2000).convert("RGB")) / 255 * 0.7 + 0.15
    noisy = (noisy + rng.normal(0, 0.1, noisy.shape)).clip(0, 1)
    name = tmp_path / "<script>&.png"
    name.write_bytes(PNG)
    sources = [noisy, name, tmp_path / "<b>absent"]
    for call in (predict, read):
        for answer in call(sources, models=shipped_models):
            shown = answer._repr_html_()
            assert len(shown) < 100_000
            page = ElementTree.fromstring(re.sub("<(img[^>]*)>", r"<\1/>", shown))
            text = "".join(page.itertext())
            images = page.iter("img")
            kinds = {image.get("src", "").partition(",")[0] for image in images}
            if answer.error is None:
                assert kinds == {"data:image/png;base64"}
                assert text.startswith("7, sure, ")
            else:
                assert "no such file" in text
            assert "script" not in {element.tag for element in page.iter()}
            assert len(repr(answer)) < 150


def test_a_page_full_of_numbers_is_short_in_a_notebook(shipped_models):
    page = Image.new("L", (1200, 1600), 255)
    pen = ImageDraw.Draw(page)
    for y in range(30, 1570, 60):
        for x in range(40, 1160, 120):
            pen.line([(x, y), (x + 22, y), (x + 8, y + 34)], fill=0, width=4)
    number = read(page, models=shipped_models)
    assert len(number.fields) > 100
    assert len(number._repr_html_()) < 60_000
    assert "more" in number._repr_html_()
    assert len(repr(number)) < 100


def test_a_picture_of_several_digits_is_told_in_a_notebook(tmp_path, shipped_models):
    answer = predict(write_number(tmp_path / "n.png", "427"), models=shipped_models)
    assert answer.n_digits == 3
    assert "seems to hold 3 digits" in answer._repr_html_()


# --- the package ----------------------------------------------------------------------------------


def test_help_lists_what_is_public_first():
    text = pydoc.plain(pydoc.render_doc(ovr_digits))
    description = text[text.index("DESCRIPTION") : text.index("PACKAGE CONTENTS")]
    listed = re.findall(r"\w+", re.sub(r" : .*", "", description[description.index("public") :]))
    assert [name for name in listed if name in ovr_digits.__all__] == ovr_digits.__all__
    assert ovr_digits.__all__[:2] == ["predict", "read"]
    assert set(ovr_digits.__all__) == set(ovr_digits._HOMES) <= set(dir(ovr_digits))


def test_no_module_hides_what_is_called():
    names = {path.stem for path in (ROOT / "ovr_digits").rglob("*.py")}
    assert not names & {"predict", "read"}


def test_the_package_imports_nothing_until_it_is_used():
    code = (
        "import sys, ovr_digits; cold = {'numpy', 'PIL'} & set(sys.modules);"
        f"answer = ovr_digits.predict({str(EXAMPLES / 'seven.png')!r});"
        "print(cold, {'sklearn', 'scipy', 'matplotlib'} & set(sys.modules), int(answer))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set() set() 7\n"


@LONG
def test_types_are_known_to_whoever_uses_it(tmp_path):
    api = pytest.importorskip("mypy.api")
    code = """
from pathlib import Path
import io
import numpy as np
from PIL import Image
import ovr_digits
from ovr_digits import DigitAnswer, Expected, NumberAnswer, load_models, predict, read

one: DigitAnswer = predict("seven.png")
total: int = predict(np.zeros((28, 28), np.uint8)).digit + int(predict(io.BytesIO(b"")))
share: float = predict(Image.new("L", (9, 9)), models=load_models(), page=1).confidence
text: str = read(Path("meter.jpg"), models="models.pkl", expected=Expected(length="4")).text
with open("seven.png", "rb") as file:
    predict(file)
for answer in predict(Path(".").glob("*.png")):
    if answer.error is None:
        total += answer.digit
names = ["a.png", "b.png"]
texts = [number.text for number in read(names) if isinstance(number, NumberAnswer)]
text += texts[0]
boxes: list[tuple[int, int, int, int]] = [found.box for found in read("meter.jpg").digits]
"""
    wrong = "reveal = ovr_digits.predct\npredict(7)\n"
    (tmp_path / "use.py").write_text(code)
    (tmp_path / "misuse.py").write_text(code + wrong)
    options = ["--strict", "--config-file", os.devnull, "--cache-dir", str(tmp_path / "cache")]
    said, _, status = api.run([*options, str(tmp_path / "use.py")])
    assert status == 0, said
    said, _, status = api.run([*options, str(tmp_path / "misuse.py")])
    assert status == 1
    assert "predct" in said
    assert "call-overload" in said


def test_a_notebook_says_of_no_digit_that_its_digit_is_a_guess() -> None:
    bar = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(bar).rectangle((10, 38, 70, 42), fill=0)
    answer = predict(bar)
    assert answer.verdict == "none"
    assert f"best guess {answer.digit}" in answer._repr_html_()
