"""Answers as tables, and folders of pictures: --output of read and predict, on the command line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commandline import EXAMPLES, assert_nothing_done, files_of_at_most, objects, on_a_terminal, png
from PIL import Image
from test_number import write_number
from test_pages import numbered, of_pages


@pytest.fixture
def scans(tmp_path) -> Path:
    """Pictures in a folder, one of them two pages and one damaged, and what is no picture."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    write_number(folder / "p10.png", "33")
    write_number(folder / "p2.png", "0084", "51")
    (folder / "p3.gif").write_bytes(of_pages("GIF", numbered(tmp_path, "407", "12")))
    (folder / "sub" / "a.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("x")
    return folder


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def test_a_folder_is_read_in_natural_order_into_a_table(run, scans):
    done = run("read", "scans", "--output", "numbers.csv")
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == [
        "0084",
        "51",
        "407",
        "12",
        "33",
    ]
    head, *rows = table(scans.parent / "numbers.csv")
    assert head == ["file", "page", "line", "field_1", "confidence", "verdict", "error"]
    damaged = os.path.join("scans", "sub", "a.png")  # noqa: PTH118
    places = [(os.path.basename(row[0]), *row[1:4]) for row in rows]  # noqa: PTH119
    assert places == [
        ("p2.png", "", "1", "0084"),
        ("p2.png", "", "2", "51"),
        ("p3.gif", "1", "1", "407"),
        ("p3.gif", "2", "1", "12"),
        ("p10.png", "", "1", "33"),
        ("a.png", "", "", ""),
    ]
    assert rows[-1][0] == damaged
    assert rows[-1][-1].startswith("not a picture")
    told = done.stderr.splitlines()
    assert told[0] == "ovr-digits: scans: not read, as no picture: notes.txt"
    assert told[-1] == "ovr-digits: written to numbers.csv"


def test_json_lines_are_what_json_prints(run, scans):
    for command in ("read", "predict"):
        done = run(command, "scans", "--json", "--output", f"{command}.jsonl")
        text = (scans.parent / f"{command}.jsonl").read_text("utf-8")
        assert [json.loads(line) for line in text.splitlines()] == objects(done, status=1)


def test_a_table_in_parquet(run, scans):
    run("read", "scans", "--output", "numbers.parquet")
    rows = pq.read_table(scans.parent / "numbers.parquet").to_pylist()
    assert [row["fields"] for row in rows] == [["0084"], ["51"], ["407"], ["12"], ["33"], None]
    assert [row["page"] for row in rows] == [None, None, 1, 2, None, None]


def test_predict_writes_a_row_for_each_picture(run, tmp_path):
    seven = EXAMPLES / "seven.png"
    answers = objects(run("predict", seven, "absent.png", "--json", "--output", "a.csv"), status=1)
    head, one, absent = table(tmp_path / "a.csv")
    row = dict(zip(head, one, strict=True))
    assert (row["file"], row["page"], row["digit"], row["verdict"]) == (str(seven), "", "7", "sure")
    assert [float(row[f"vote_{digit}"]) for digit in range(10)] == answers[0]["votes"]
    assert row["fired"] == "7"
    assert dict(zip(head, absent, strict=True))["error"] == "no such file"


def test_names_are_no_formulas_and_may_be_in_any_script(run, tmp_path):
    names = ["=1+1.png", "-2.png", "@x.png", "цифра.png", os.fsdecode(b"\xff.png")]
    content = (EXAMPLES / "seven.png").read_bytes()
    for name in names:
        (tmp_path / name).write_bytes(content)
    assert run("predict", "--brief", "--output", "a.csv", "--", *names).returncode == 0
    _, *rows = table(tmp_path / "a.csv")
    told = ["./=1+1.png", "./-2.png", "./@x.png", "цифра.png", "\\xff.png"]
    assert [row[0] for row in rows] == told
    # By this mark spreadsheets know UTF-8; where all is ASCII there is none.
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    run("predict", "=1+1.png", "--output", "b.csv")
    assert (tmp_path / "b.csv").read_bytes().startswith(b"file,page,")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("a.txt", "no table ends so; use .csv, .jsonl or .parquet"),
        ("absent/a.csv", "make it first"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_the_work(run, tmp_path, output, said):
    assert_nothing_done(run("read", EXAMPLES / "seven.png", "--output", output), said)
    assert not (tmp_path / output).exists()


def test_a_full_disk_leaves_the_older_table(run, tmp_path):
    (tmp_path / "a.csv").write_text("older")
    with files_of_at_most(20):
        done = run("read", EXAMPLES / "seven.png", "--output", "a.csv")
    assert done.returncode == 1
    assert "a.csv: cannot be written" in done.stderr
    assert (tmp_path / "a.csv").read_text() == "older"


def test_an_output_may_not_be_a_picture_of_the_folder(run, scans):
    before = (scans / "p10.png").read_bytes()
    done = run("read", "scans", "--save", "scans/p10.png")
    assert done.returncode == 2
    assert "one of the pictures to read" in done.stderr
    assert (scans / "p10.png").read_bytes() == before


def test_a_folder_without_pictures_is_told(run, tmp_path):
    (tmp_path / "empty").mkdir()
    (answer,) = objects(run("read", "empty", "--json"), status=1)
    assert answer["path"] == "empty"
    assert answer["error"].startswith("no pictures in this folder; predict --batch reads")


def test_a_bar_is_shown_on_a_terminal(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(Image.new("L", (64, 64), 255)))
    said = on_a_terminal(tmp_path, "predict", ".", "--brief")
    assert "reading 2 files" in said
    assert "a.png: blank" in said


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_batch_is_written_as_its_ending_says(run, tmp_path, tiny_models, ending):
    (tmp_path / "in").mkdir()
    for name in ("seven", "two"):
        (tmp_path / "in" / f"={name}.png").write_bytes((EXAMPLES / f"{name}.png").read_bytes())
    batch = ("predict", "--batch", "in", "--models", tiny_models, "--jobs", "1", "--output")
    for output in (f"a.{ending}", "a.parquet"):
        assert run(*batch, output).returncode == 0
    wanted = pq.read_table(tmp_path / "a.parquet").to_pylist()
    if ending == "jsonl":
        lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == wanted
        return
    head, *rows = table(tmp_path / "a.csv")
    assert [row[0] for row in rows] == ["./=seven.png", "./=two.png"]
    for row, answer in zip(rows, wanted, strict=True):
        cells = dict(zip(head, row, strict=True))
        assert int(cells["digit"]) == answer["digit"]
        assert [float(cells[f"vote_{k}"]) for k in range(10)] == answer["votes"]
