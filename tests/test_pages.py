"""The pages of a file: TIFF, animations and PDF, from the command line, Python and the service."""

from __future__ import annotations

import io
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from commandline import assert_nothing_done, objects
from PIL import Image
from test_number import write_number

from ovr_digits import DigitsError, count_pages, find_form, read
from ovr_digits.picture import pages as pages_module
from ovr_digits.picture.pages import each_page, page_of

KINDS = ("TIFF", "GIF", "PNG", "WEBP", "AVIF", "PDF")
NUMBERS = ("407", "0084", "33")
LONG = pytest.mark.long


def of_pages(kind: str, pictures: list[Image.Image], **options: object) -> bytes:
    file = io.BytesIO()
    first, *rest = [picture.copy() for picture in pictures]
    first.save(file, kind, save_all=True, append_images=rest, **options)
    return file.getvalue()


def numbered(folder: Path, *numbers: str) -> list[Image.Image]:
    """A page of one size for each number."""
    sheets = []
    for number in numbers:
        sheet = Image.new("L", (720, 310), 255)
        sheet.paste(Image.open(write_number(folder / "page.png", number)))
        sheets.append(sheet)
    (folder / "page.png").unlink()
    return sheets


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_is_read(run, tmp_path, kind):
    content = of_pages(kind, numbered(tmp_path, *NUMBERS))
    path = tmp_path / f"scan.{kind.lower()}"
    path.write_bytes(content)
    done = run("read", path)
    assert done.returncode == 0, done.stderr
    wanted = [f"{path} (page {k + 1}): {number}" for k, number in enumerate(NUMBERS)]
    assert done.stdout.splitlines() == wanted
    answers = objects(run("predict", "--json", "-", stdin=content))
    assert [(answer["path"], answer["page"]) for answer in answers] == [
        *(("-", page) for page in (1, 2, 3))
    ]


@pytest.mark.parametrize(
    "kind", ["TIFF", "GIF", "PDF", *(pytest.param(k, marks=LONG) for k in ("PNG", "WEBP", "AVIF"))]
)
def test_a_page_is_read_by_its_number(shipped_models, tmp_path, kind):
    content = of_pages(kind, numbered(tmp_path, *NUMBERS))
    assert count_pages(content) == 3
    texts = [read(content, models=shipped_models, page=page).text for page in (1, 2, 3)]
    assert texts == [*NUMBERS]
    np.testing.assert_array_equal(find_form(content, page=2), find_form(page_of(content, 2)))
    for page in (0, 4, -1):
        with pytest.raises(DigitsError, match=f"no page {page};"):
            read(content, models=shipped_models, page=page)


def test_a_file_of_one_page_has_no_number(run, tmp_path):
    write_number(tmp_path / "a.png", "42")
    (answer,) = objects(run("read", "a.png", "--json"))
    assert "page" not in answer
    assert count_pages(tmp_path / "a.png") == 1
    (page,) = each_page(of_pages("PDF", numbered(tmp_path, "42")))
    assert page.number is None


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_boxes_are_in_pixels_of_their_page(shipped_models, tmp_path, kind):
    """Of a PDF in those that it is drawn with, 300 to an inch."""
    first, second = numbered(tmp_path, "407", "42")
    content = of_pages(kind, [first, second.resize((1440, 620))], resolution=150)
    (line,) = read(content, models=shipped_models, page=2).lines
    factor = 2 * (2 if kind == "PDF" else 1)
    x, y, _, height = line[0].box
    np.testing.assert_allclose([x, y, height], np.array([60, 60, 90]) * factor, atol=4 * factor)


def test_a_damaged_page_is_told_and_the_others_are_read(run, tmp_path):
    content = bytearray(of_pages("TIFF", numbered(tmp_path, *NUMBERS), compression="tiff_lzw"))
    with Image.open(io.BytesIO(content)) as picture:
        picture.seek(1)
        start, length = (picture.tag_v2[tag][0] for tag in (273, 279))
    content[start : start + length] = b"\xff" * length
    (tmp_path / "scan.tif").write_bytes(content)
    first, second, third = objects(run("read", "scan.tif", "--json"), status=1)
    assert (first["text"], third["text"]) == ("407", "33")
    assert second.keys() == {"path", "page", "error"}
    assert "damaged" in second["error"]


def test_where_the_rest_cannot_be_reached_it_is_told(run, tmp_path):
    (tmp_path / "cut.gif").write_bytes(of_pages("GIF", numbered(tmp_path, *NUMBERS))[:-700])
    *_, last = objects(run("read", "cut.gif", "--json"), status=1)
    assert "damaged" in last["error"]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PDF"])
def test_there_is_a_bound_to_pages(monkeypatch, tmp_path, kind):
    monkeypatch.setattr(pages_module, "MAX_PAGES", 2)
    content = of_pages(kind, numbered(tmp_path, *NUMBERS))
    *some, last = each_page(content)
    assert [page.number for page in some] == [1, 2]
    with pytest.raises(DigitsError, match=r"more than 2 pages.*split it"):
        last.picture()
    with pytest.raises(DigitsError, match="more than 2 pages"):
        count_pages(content)


def test_there_is_a_bound_to_the_pixels_of_all_pages(monkeypatch):
    monkeypatch.setattr(pages_module, "MAX_ALL_PIXELS", 50_000)
    content = of_pages("GIF", [Image.new("L", (200, 100), level) for level in range(9)])
    *some, last = each_page(content)
    assert len(some) == 3
    with pytest.raises(DigitsError, match="the rest is not read"):
        last.picture()


def test_a_page_may_not_have_more_pixels_than_others(tmp_path):
    small, large = Image.new("1", (60, 60)), Image.new("1", (8000, 7000))
    content = of_pages("TIFF", [small, large, small], compression="group4")
    fates = [isinstance(page.content, DigitsError) for page in each_page(content)]
    assert fates == [False, True, False]
    with pytest.raises(DigitsError, match="56 megapixels"):
        page_of(content, 2)


def test_a_tiff_of_many_jpegs_is_not_taken_for_one_of_many_scans(monkeypatch):
    """Each page is held to the scans of its own."""
    monkeypatch.setattr("ovr_digits.picture.decoding._MAX_SCANNED", 50_000)
    sheets = [Image.new("RGB", (160, 120), (level, 9, 9)) for level in range(0, 200, 20)]
    content = of_pages("TIFF", sheets, compression="jpeg")
    assert [type(page.content) for page in each_page(content)] == [bytes, *[Image.Image] * 9]
    assert find_form(content).shape == (28, 28)


# --- PDF ---------------------------------------------------------------------------------------


def pdf(*parts: bytes, box: str = "0 0 200 200") -> bytes:
    """A PDF of one page; the first part is what is drawn, the others are objects from 5 on."""
    drawn, *others = parts
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn)
    names = b" ".join(b"/X%d %d 0 R" % (k + 5, k + 5) for k in range(len(others)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R "
        b"/Resources << /XObject << %s >> >> >>" % (box.encode(), names),
        stream,
        *others,
    ]
    content = b"%PDF-1.4\n"
    places = []
    for k, body in enumerate(bodies):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (k + 1, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    n, start = len(bodies) + 1, len(content)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % n
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (n, start)
    return content + head + table + trailer


def image(width: int, height: int) -> bytes:
    """An object: a black picture of 1 bit."""
    packed = zlib.compress(bytes(-(-width // 8) * height), 9)
    return (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray "
        b"/BitsPerComponent 1 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
        % (width, height, len(packed), packed)
    )


STROKE = b"9 w 100 20 m 100 180 l S"


def test_strokes_of_a_pdf_are_read(shipped_models):
    """As a tablet saves what is written on it."""
    number = read(pdf(STROKE), models=shipped_models)
    assert number.text == "1"
    ((found,),) = number.lines
    np.testing.assert_allclose(found.box, np.array([95.5, 20, 9, 160]) * 300 / 72, atol=8)


def test_a_large_page_is_drawn_more_coarsely():
    (page,) = each_page(pdf(STROKE, box="0 0 14400 7200"))
    width, height = page.picture().size
    assert 15_000_000 < width * height <= 16_000_000
    assert width == pytest.approx(2 * height, abs=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"%PDF-1.4 nonsense", "the PDF is damaged", id="nonsense"),
        pytest.param(pdf(STROKE)[:150], "the PDF is damaged", id="cut short"),
        pytest.param(pdf(STROKE, box="0 0 3 3"), "", id="tiny"),
        pytest.param(pdf(b"q /X5 Do Q", image(20_000, 20_000)), "holds too much", id="bomb"),
        pytest.param(
            pdf(b"/X5 Do " * 300, image(1000, 1000)), "holds too much", id="one picture, often"
        ),
        pytest.param(pdf(b"0 0 m 9 9 l S " * 100_001), "holds too much", id="strokes"),
    ],
)
def test_what_is_wrong_with_a_pdf_is_told_in_a_line(run, tmp_path, content, said):
    (tmp_path / "scan.pdf").write_bytes(content)
    done = run("read", "scan.pdf")
    assert_nothing_done(done, said)
    assert done.stderr.startswith("ovr-digits: scan.pdf: ")


def test_an_encrypted_pdf_is_told(run, tmp_path):
    """By the handler that it names; nobody here can write one that opens."""
    content = pdf(STROKE).replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R /ID [<00><00>] /Encrypt << /Filter /Standard /V 2 /R 3 "
        b"/Length 128 /P -4 /O <%s> /U <%s> >>" % (b"11" * 32, b"22" * 32),
    )
    (tmp_path / "scan.pdf").write_bytes(content)
    assert_nothing_done(run("read", "scan.pdf"), "the PDF is encrypted; save it without a password")


def test_without_the_package_it_is_told_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    (tmp_path / "scan.pdf").write_bytes(pdf(STROKE))
    assert_nothing_done(run("read", "scan.pdf"), 'pip install "ovr-digits[pdf]"')


def test_drawing_a_page_has_an_end(monkeypatch):
    monkeypatch.setattr("ovr_digits.picture.pdf._MAX_SECONDS", -1.0)
    (page,) = each_page(pdf(b"0 0 m 199 199 l S " * 20_000))
    with pytest.raises(DigitsError, match="too long to be drawn"):
        page.picture()
