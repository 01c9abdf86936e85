"""Corrected pictures in a folder: what is kept comes back, whatever happens in between."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.data.corrections import FILE_NAME, NO_DIGIT, keep_correction, load_corrections
from ovr_digits.errors import DigitsError
from ovr_digits.files import replacing, write_bytes
from ovr_digits.picture.digit import find_form

VOTE: Vote = count_votes(np.linspace(-3, 3, 10)[None])[0]

#: Keeps one picture again and again, and says so after each.
KEEPER = """
import sys
from pathlib import Path
import numpy as np
from ovr_digits.core.vote import count_votes
from ovr_digits.data.corrections import keep_correction
vote = count_votes(np.zeros((1, 10)))[0]
picture = Path(sys.argv[2]).read_bytes()
for _ in range(int(sys.argv[3])):
    keep_correction(sys.argv[1], picture, int(sys.argv[4]), vote)
    print("kept", flush=True)
"""


def drawing(image: np.ndarray, side: int = 112, **options: object) -> bytes:
    """An image (784,) in MNIST form as somebody's picture of it, black on white."""
    picture = Image.fromarray(255 - image.reshape(28, 28)).resize((side, side))
    content = io.BytesIO()
    picture.save(content, "PNG", **options)
    return content.getvalue()


def lines_of(folder: Path) -> list[str]:
    return (folder / FILE_NAME).read_text().splitlines()


def keeper(folder: Path, picture: Path, count: int, label: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", KEEPER, str(folder), str(picture), str(count), str(label)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_is_kept_comes_back(tmp_path, digit_images):
    folder = tmp_path / "kept"
    pictures = [drawing(image) for image in digit_images[:3]]
    names = [keep_correction(folder, p, d, VOTE) for p, d in zip(pictures, (4, 0, 9), strict=True)]
    assert len(set(names)) == 3
    X, y = load_corrections(folder)
    assert (X.shape, X.dtype, y.tolist()) == ((3, 784), np.uint8, [4, 0, 9])
    for row, picture in zip(X, pictures, strict=True):
        np.testing.assert_array_equal(row, find_form(picture).ravel())
    entries = [json.loads(line) for line in lines_of(folder)]
    assert [entry["file"] for entry in entries] == names
    assert entries[0]["label"] == 4
    assert entries[0]["answer"] == VOTE.as_json()
    assert set(entries[0]) == {"file", "label", "time", "answer"}


def test_a_picture_of_no_digit_is_kept_and_comes_back_as_such(tmp_path, digit_images):
    for image, label in zip(digit_images[:2], (None, 3), strict=True):
        keep_correction(tmp_path, drawing(image), label, VOTE)
    assert [json.loads(line)["label"] for line in lines_of(tmp_path)] == [None, 3]
    assert load_corrections(tmp_path)[1].tolist() == [NO_DIGIT, 3]


def test_a_file_that_holds_its_images_is_read_by_itself_and_in_a_folder(tmp_path, digit_images):
    images = [image.reshape(28, 28).tolist() for image in digit_images[:3]]
    labelled = zip((4, None, 9), images, strict=True)
    entries = [{"label": label, "image": image} for label, image in labelled]
    saved = tmp_path / "saved.jsonl"
    saved.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    folder = tmp_path / "kept"
    keep_correction(folder, drawing(digit_images[3]), 8, VOTE)
    with (folder / FILE_NAME).open("a") as file:
        file.write(saved.read_text())
    X, y = load_corrections(saved)
    np.testing.assert_array_equal(X, digit_images[:3])
    assert y.tolist() == [4, NO_DIGIT, 9]
    assert load_corrections(folder)[1].tolist() == [8, 4, NO_DIGIT, 9]
    assert load_corrections(folder / FILE_NAME)[1].tolist() == [8, 4, NO_DIGIT, 9]


def test_a_picture_is_kept_small_upright_and_bare(tmp_path, digit_images):
    """No place or name out of a photo is kept, nor more pixels than are looked at."""
    about = PngImagePlugin.PngInfo()
    about.add_text("Author", "somebody")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture = Image.open(io.BytesIO(drawing(digit_images[0], 1400))).crop((0, 0, 1400, 1200))
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=about, exif=exif)
    name = keep_correction(tmp_path, content.getvalue(), 3, VOTE)
    with Image.open(tmp_path / name) as kept:
        assert kept.format == "PNG"
        assert max(kept.size) == 900
        assert kept.height > kept.width
        assert not kept.getexif()
        assert not kept.text


def test_the_last_label_of_a_picture_counts(tmp_path, digit_images):
    for label in (1, 7):
        keep_correction(tmp_path, drawing(digit_images[0]), label, VOTE)
    assert load_corrections(tmp_path)[1].tolist() == [7]


@pytest.mark.parametrize(
    ("picture", "label", "message"),
    [
        (None, 10, "10 is not a digit"),
        (None, -1, "-1 is not a digit"),
        (b"GIF", 3, "not a picture"),
        (drawing(np.zeros(784, np.uint8)), 3, "blank"),
    ],
)
def test_what_cannot_be_learnt_is_not_kept(tmp_path, digit_images, picture, label, message):
    folder = tmp_path / "kept"
    with pytest.raises(DigitsError, match=message):
        keep_correction(folder, picture or drawing(digit_images[0]), label, VOTE)
    assert not folder.exists()


def test_a_full_folder_takes_no_more(tmp_path, digit_images):
    for image in digit_images[:2]:
        keep_correction(tmp_path, drawing(image), 1, VOTE, max_kept=2)
    with pytest.raises(DigitsError, match=r"full \(2 pictures\)"):
        keep_correction(tmp_path, drawing(digit_images[2]), 1, VOTE, max_kept=2)
    assert len(lines_of(tmp_path)) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path, digit_images):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "no" / "such", tmp_path / "file"):
        with pytest.raises(DigitsError, match="cannot be kept there"):
            keep_correction(folder, drawing(digit_images[0]), 1, VOTE)


def test_processes_that_keep_at_once_lose_nothing(tmp_path, digit_images):
    folder = tmp_path / "kept"
    folder.mkdir()
    running = []
    for label in range(2):
        picture = tmp_path / f"{label}.png"
        picture.write_bytes(drawing(digit_images[label]))
        running.append(keeper(folder, picture, 10, label))
    for process in running:
        assert process.communicate()[0].count("kept") == 10
    labels = [json.loads(line)["label"] for line in lines_of(folder)]
    assert sorted(labels) == [0] * 10 + [1] * 10
    assert sorted(load_corrections(folder)[1].tolist()) == [0, 1]


@pytest.mark.parametrize("takes_place", [False, True])
def test_a_list_that_is_removed_meanwhile_loses_nothing_silently(
    tmp_path, digit_images, monkeypatch, takes_place
):
    def removing(path: Path, data: bytes) -> None:
        write_bytes(path, data)
        (tmp_path / FILE_NAME).unlink()
        if takes_place:
            (tmp_path / FILE_NAME).touch()

    picture = drawing(digit_images[0])
    with monkeypatch.context() as patch:
        patch.setattr("ovr_digits.data.corrections.write_bytes", removing)
        with pytest.raises(DigitsError, match="the picture cannot be kept there"):
            keep_correction(tmp_path, picture, 3, VOTE)
    assert not list(tmp_path.glob("*.png"))
    keep_correction(tmp_path, picture, 3, VOTE)
    assert load_corrections(tmp_path)[1].tolist() == [3]


def test_a_killed_process_spoils_nothing(tmp_path, digit_images):
    """What was said to be kept is there, and others go on keeping."""
    folder, picture = tmp_path / "kept", tmp_path / "digit.png"
    picture.write_bytes(drawing(digit_images[0]))
    n_said = 0
    for delay in (0.0, 0.007):
        process = keeper(folder, picture, 10_000, 5)
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        n_said += 1 + process.communicate()[0].count("kept\n")
    keep_correction(folder, drawing(digit_images[1]), 6, VOTE)
    notes: list[str] = []
    _, y = load_corrections(folder, notes.append)
    assert y.tolist() == [5, 6]
    assert len(lines_of(folder)) - len(notes) > n_said
    named = {json.loads(line)["file"] for line in lines_of(folder)}
    assert named <= {path.name for path in folder.glob("*.png")}


@pytest.mark.parametrize("rest", ['{"file": "2026', '{"file": "x.png", "label": 3}', "\x00\xff"])
def test_a_line_that_was_not_finished_does_not_spoil_the_next(tmp_path, digit_images, rest):
    keep_correction(tmp_path, drawing(digit_images[0]), 1, VOTE)
    with (tmp_path / FILE_NAME).open("a", encoding="latin1") as file:
        file.write(rest)
    keep_correction(tmp_path, drawing(digit_images[1]), 2, VOTE)
    notes: list[str] = []
    assert load_corrections(tmp_path, notes.append)[1].tolist() == [1, 2]
    assert len(notes) == 1
    assert "line 2 passed over" in notes[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file": "gone.png", "label": 1}', "'gone.png': no such file in the folder"),
        ('{"file": "../outside.png", "label": 1}', "'../outside.png': no such file in the folder"),
        ('{"file": "/etc/passwd", "label": 1}', "'/etc/passwd': no such file in the folder"),
        ('{"file": "..", "label": 1}', "'..': no such file in the folder"),
        ('{"file": "link.png", "label": 1}', "'link.png': no such file in the folder"),
        ('{"file": "text.png", "label": 1}', "'text.png': not a picture"),
        ('{"file": "blank.png", "label": 1}', "'blank.png': the picture is blank"),
        ('{"file": "\\u0000", "label": 1}', r"'\x00': no such file in the folder"),
        ('{"file": "\\u001b[31m.png", "label": 1}', r"'\x1b[31m.png': no such file"),
        ('{"file": 3, "label": 1}', "'3': no such file in the folder"),
        ('{"file": "one.png", "label": 10}', "its label is not a digit 0 to 9, or null"),
        ('{"file": "one.png", "label": true}', "its label is not a digit 0 to 9, or null"),
        ('{"file": "one.png", "label": "1"}', "its label is not a digit 0 to 9, or null"),
        ('{"file": "one.png"}', "its label is not a digit 0 to 9, or null"),
        ('{"image": [], "label": 1}', "its image is not 28 rows"),
        ('{"image": null, "label": 1, "file": "one.png"}', "its image is not 28 rows"),
        (json.dumps({"image": [[1] * 28] * 27 + [[1]], "label": 1}), "its image is not rows of 28"),
        (json.dumps({"image": [[0.5] * 28] * 28, "label": 1}), "its image is not rows of 28 whole"),
        (json.dumps({"image": [[256] * 28] * 28, "label": 1}), "its image is blank, or has grey"),
        (json.dumps({"image": [[-1] * 28] * 28, "label": 1}), "its image is blank, or has grey"),
        (json.dumps({"image": [[0] * 28] * 28, "label": 1}), "its image is blank"),
        ("[" * 100_000, "not a whole JSON object"),
        ("3", "not a whole JSON object"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, digit_images, line, message):
    folder = tmp_path / "kept"
    keep_correction(folder, drawing(digit_images[0]), 8, VOTE)
    (tmp_path / "outside.png").write_bytes(drawing(digit_images[1]))
    (folder / "one.png").write_bytes(drawing(digit_images[1]))
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "text.png").write_text("no picture")
    (folder / "blank.png").write_bytes(drawing(np.zeros(784, np.uint8)))
    with (folder / FILE_NAME).open("a") as file:
        file.write(line + "\n")
    notes: list[str] = []
    assert load_corrections(folder, notes.append)[1].tolist() == [8]
    (note,) = notes
    assert f"line 2 passed over: {message}" in note
    assert note.isprintable()


def test_nothing_to_learn_from_is_said(tmp_path):
    with pytest.raises(DigitsError, match="no such folder"):
        load_corrections(tmp_path / "none")
    with pytest.raises(DigitsError, match=f"holds no {FILE_NAME}"):
        load_corrections(tmp_path)
    (tmp_path / FILE_NAME).write_text("\n{}\n")
    with pytest.raises(DigitsError, match="none of the corrections in it can be used"):
        load_corrections(tmp_path)


def test_a_name_that_no_file_can_have_spoils_its_own_line_only(tmp_path, digit_images):
    kept = keep_correction(tmp_path, drawing(digit_images[0]), 3, VOTE)
    entries = [{"file": name, "label": 1} for name in ("x" * 300, "\0", "\udcff")]
    with (tmp_path / FILE_NAME).open("a") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
        file.write(json.dumps({"file": kept, "label": 5}) + "\n")
    told: list[str] = []
    _, y = load_corrections(tmp_path, told.append)
    assert y.tolist() == [5]
    assert all(f"line {number} passed over" in line for number, line in enumerate(told, 2))
    assert len(told) == 3
    assert max(map(len, told)) < 300 + len(str(tmp_path))


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path):
    path = tmp_path / "models.pkl"
    write_bytes(path, b"first")
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # as the umask has it
    for mode in (0o600, 0o640, 0o444):
        path.chmod(mode)
        with replacing(path) as temporary:
            assert temporary.stat().st_mode & 0o777 == mode | 0o600
            temporary.write_bytes(b"next")
        assert path.stat().st_mode & 0o777 == mode


def test_a_picture_that_is_corrected_again_is_among_the_latest(tmp_path, digit_images):
    names = [
        keep_correction(tmp_path, drawing(image), label, VOTE)
        for label, image in enumerate(digit_images[:3])
    ]
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write(json.dumps({"file": names[0], "label": 9}) + "\n")
    X, y = load_corrections(tmp_path)
    assert y.tolist() == [1, 2, 9]
    assert len(np.unique(X, axis=0)) == 3
