"""Digits of other people's hands: their files, the places where these are looked for, their forms.

The sets are small ones in the formats of the real ones, with digests of their own; tests of the
real ones need their files.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hostile.mirrors import Mirror, answer
from ncompress import compress

from ovr_digits import count_votes, load_models, save_models
from ovr_digits.cli import main
from ovr_digits.data import hands, idx
from ovr_digits.data.corrections import keep_correction
from ovr_digits.data.hands import ALL, SETS, load_hands
from ovr_digits.data.idx import decompress
from ovr_digits.errors import DigitsError
from ovr_digits.learn import retraining
from ovr_digits.learn.adaptation import adapt_detectors
from ovr_digits.learn.detectors import detectors_of

UNIPEN_HEAD = """.INCLUDE        dene.doc

.LEXICON "0" "1" "2" "3" "4" "5" "6" "7" "8" "9"
.HIERARCHY      DIGIT
"""
#: Labels, writers and strokes; y goes upwards.
STROKES = [
    (7, 3, [[(100, 300), (200, 300), (150, 100)], [(120, 200), (190, 210)]]),
    (1, 3, [[(90, 250), (120, 300), (120, 100)]]),
    (0, 9, [[(100, 100), (200, 150), (150, 300), (80, 200), (100, 100)]]),
]


def unipen(digits: list[tuple[int, int, list[list[tuple[int, int]]]]]) -> bytes:
    """As in pendigits."""
    text = UNIPEN_HEAD
    for number, (label, writer, strokes) in enumerate(digits):
        text += f'\n.SEGMENT DIGIT {number:4} ? "{label}"\n.COMMENT {label} {writer}  224\n'
        for stroke in strokes:
            points = "".join(f" {x}  {y}\n" for x, y in stroke)
            text += f".PEN_DOWN\n{points}.PEN_UP\n.DT 100\n"
    return text.encode()


def blot(side: int, label: int) -> np.ndarray:
    """Bits (side, side) of some form, another for each label."""
    rows, columns = np.mgrid[:side, :side] / side
    return ((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.04 + label / 100).astype(np.uint8)


def bit_lines(labels: list[int]) -> bytes:
    """As in optdigits."""
    head = f"BU handwritten digit database\nTraining file\n\nentwidth = 32\nntot = {len(labels)}\n"
    for label in labels:
        rows = ("".join(map(str, row)) for row in blot(32, label))
        head += "".join(f"{row}\n" for row in rows) + f" {label}\n"
    return head.encode()


def flagged_lines(labels: list[int]) -> bytes:
    """As in semeion."""
    lines = []
    for label in labels:
        numbers = [*blot(16, label).ravel(), *np.eye(10, dtype=int)[label]]
        lines.append(" ".join(map(str, numbers)) + " \r\n")
    return "".join(lines).encode()


CONTENTS = {
    "pendigits-orig.tra": unipen(STROKES),
    "pendigits-orig.tes": unipen(STROKES[:2]),
    "optdigits-orig.tra": bit_lines([4, 0, 9]),
    "semeion.data": flagged_lines([0, 0, 1, 9, 0, 3]),
}


@pytest.fixture(autouse=True)
def tiny_sets(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small sets pass for the real ones, with nothing of the user's around."""
    tiny = {}
    for name, real in SETS.items():
        digests = {f: real.file_set.digest_of(CONTENTS[f], f) for f in real.files}
        tiny[name] = replace(real, files=digests)
    monkeypatch.setattr(hands, "SETS", tiny)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Has all files, packed in one way or another."""
    path = tmp_path / "hands"
    path.mkdir()
    for ending, (name, content) in zip(["", ".Z", ".gz", ".Z"], CONTENTS.items(), strict=True):
        packed = {"": bytes, ".Z": compress, ".gz": gzip.compress}[ending](content)
        (path / f"{name}{ending}").write_bytes(packed)
    return path


@pytest.fixture
def mirror(cache: Path) -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.close()


def line(error: pytest.ExceptionInfo[DigitsError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


# --- what is in them --------------------------------------------------------------------------


def test_pen_strokes_with_their_writers(folder):
    found = load_hands("pendigits", folder)
    assert found.y.tolist() == [7, 1, 0, 7, 1]
    # The writers of the second file are others than those of the first.
    first, second = set(found.writers[:3].tolist()), set(found.writers[3:].tolist())
    assert (len(first), len(second), len(first | second)) == (2, 1, 3)
    assert found.writers[0] == found.writers[1]
    assert (found.name, found.source, len(found)) == ("pendigits", str(folder), 5)
    with pytest.raises(ValueError, match="read-only"):
        found.y[0] = 1


def test_pen_strokes_are_drawn_the_right_way_up(folder):
    images = load_hands("pendigits", folder).images(0, 0)
    assert (images.shape, images.dtype) == ((5, 784), np.uint8)
    inked = images[0].reshape(28, 28) > 100
    assert inked[5:9].any(axis=0).sum() > 1.5 * inked[19:23].any(axis=0).sum()  # the bar of a 7


def test_each_copy_is_drawn_anew_and_each_time_the_same(folder):
    found = load_hands("pendigits", folder)
    first = found.images(0, 0)
    for n_jobs in (None, 2):
        np.testing.assert_array_equal(found.images(0, 0, n_jobs=n_jobs), first)
    some = np.array([3, 1])
    np.testing.assert_array_equal(found.images(0, 0, some), first[some])
    for copy, seed in ((1, 0), (0, 1)):
        assert (found.images(copy, seed) != first).any(axis=1).all()
    # The same strokes are drawn in two ways in one copy too.
    assert (first[0] != first[3]).any()


@pytest.mark.parametrize("name", ["optdigits", "semeion"])
def test_bits_are_the_same_in_all_copies_and_in_mnist_form(folder, name):
    found = load_hands(name, folder)
    images = found.images(0, 0)
    np.testing.assert_array_equal(images, found.images(1, 1))
    shaped = images.reshape(-1, 28, 28)
    assert (shaped.max(axis=(1, 2)) == 255).all()
    assert (shaped[:, 4:24, 4:24].sum(axis=(1, 2)) == shaped.sum(axis=(1, 2))).all()
    assert len(np.unique(shaped[0])) > 5  # smooth, not steps


def test_who_wrote_bits_is_told_by_the_order(folder):
    assert load_hands("semeion", folder).writers.tolist() == [0, 0, 0, 0, 1, 1]
    assert load_hands("optdigits", folder).y.tolist() == [4, 0, 9]
    many = bit_lines([1] * 90)
    writers = SETS["optdigits"].parse(many, "many").writers
    np.testing.assert_array_equal(np.bincount(writers), np.full(30, 3))


def test_the_digest_is_of_the_digits_not_of_how_the_file_spells_them():
    for name, respelt in {
        "pendigits-orig.tra": CONTENTS["pendigits-orig.tra"].replace(b"\n", b"\r\n"),
        "optdigits-orig.tra": CONTENTS["optdigits-orig.tra"].replace(b"\n", b"\r\n"),
        "semeion.data": CONTENTS["semeion.data"].replace(b"1 ", b"1.0000 "),
    }.items():
        (real,) = [hand_set for hand_set in hands.SETS.values() if name in hand_set.files]
        assert respelt != CONTENTS[name]
        assert real.file_set.digest_of(respelt, name) == real.files[name]


def change(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("pendigits-orig.tra", b".HIERARCHY", b".H", "no pen strokes in UNIPEN form"),
        ("pendigits-orig.tra", b" 120  100\n", b" 120\n", "digit 2 is damaged or cut off"),
        ("pendigits-orig.tra", b" 120  100\n", b" 120  1x0\n", "digit 2 is damaged or cut off"),
        ("pendigits-orig.tra", b'? "0"', b'? "x"', "digit 3 is damaged or cut off"),
        ("pendigits-orig.tra", b" 190  210\n.PEN_UP", b" 190  210", "digit 1 is damaged or cut"),
        ("pendigits-orig.tra", b" 190  210", b" 191  210", "not the digits of pendigits"),
        ("optdigits-orig.tra", b"0\n 0\n", b"0\n", "digit 2 is damaged or cut off"),
        ("optdigits-orig.tra", b" 9\n", b"", "digit 3 is damaged or cut off"),
        ("optdigits-orig.tra", b" 9\n", b" 8\n", "not the digits of optdigits"),
        ("semeion.data", b"1 \r\n", b"\r\n", "line 4: not 256 bits and one flag of ten"),
        ("semeion.data", b"0 ", b"2 ", "line 1: not 256 bits and one flag of ten"),
        ("semeion.data", b"0 ", b"nan ", "line 1: not 256 bits and one flag of ten"),
        ("semeion.data", b"0 ", b"<p> ", "line 1: not 256 bits and one flag of ten"),
    ],
)
def test_a_damaged_file_is_told_in_a_line_with_the_place(tmp_path, name, old, new, reason):
    (of,) = [key for key, hand_set in hands.SETS.items() if name in hand_set.files]
    for other in hands.SETS[of].files:
        (tmp_path / other).write_bytes(CONTENTS[other])
    (tmp_path / name).write_bytes(change(CONTENTS[name], old, new))
    with pytest.raises(DigitsError) as error:
        load_hands(of, tmp_path)
    assert line(error).startswith(f"{tmp_path / name}: {reason}")
    assert line(error).endswith(
        f"repair it with ovr-digits data download --dataset {of} --data-dir {tmp_path}"
    )


@pytest.mark.parametrize("content", [b"", b"<html>", b"\0" * 100])
@pytest.mark.parametrize("name", ALL)
def test_a_file_of_something_else(tmp_path, name, content):
    for file in SETS[name].files:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(DigitsError) as error:
        load_hands(name, tmp_path)
    assert line(error).startswith(f"{tmp_path / next(iter(SETS[name].files))}: ")


def test_damaged_and_boundless_z_files(monkeypatch):
    packed = compress(bytes(10_000_000))
    assert decompress(packed, "zeros") == bytes(10_000_000)
    monkeypatch.setattr(idx, "MAX_BYTES", 1_000_000)
    with pytest.raises(DigitsError, match=r"^zeros: holds more than 1,000,000 bytes$"):
        decompress(packed, "zeros")
    for damaged in (packed[:2], packed[:3] + b"\xff" * 99):
        with pytest.raises(DigitsError, match=r"^zeros: the compressed data are damaged \("):
            decompress(damaged, "zeros")


# --- where they are looked for ----------------------------------------------------------------


def test_the_first_folder_that_has_any_of_the_files_counts(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("OVR_DIGITS_HANDS", str(folder))
    other = tmp_path / "other"
    other.mkdir()
    assert load_hands("pendigits").source == str(folder)
    assert load_hands("pendigits", other).source == str(folder)  # MNIST alone may lie there
    (other / "pendigits-orig.tes").write_bytes(CONTENTS["pendigits-orig.tes"])
    with pytest.raises(DigitsError) as error:
        load_hands("pendigits", other)
    assert line(error).startswith(f"{other}: lacks pendigits-orig.tra(.gz, .Z); repair it with")
    (other / "pendigits-orig.tra.gz").write_bytes(gzip.compress(CONTENTS["pendigits-orig.tra"]))
    assert load_hands("pendigits", other).source == str(other)


def test_a_folder_that_was_named_is_never_filled(tmp_path, monkeypatch):
    monkeypatch.setenv("OVR_DIGITS_HANDS", str(tmp_path / "gone"))
    with pytest.raises(DigitsError) as error:
        load_hands("semeion")
    assert line(error).startswith(f"OVR_DIGITS_HANDS: {tmp_path / 'gone'}: no such folder; ")


def test_unknown_sets_are_programming_errors():
    with pytest.raises(ValueError, match="not 'usps'"):
        load_hands("usps")


# --- from the network -------------------------------------------------------------------------


def test_downloaded_from_mirrors_into_the_cache(cache, mirror, monkeypatch):
    for name, content in CONTENTS.items():
        mirror.replies[f"/m/{name}.gz"] = answer(gzip.compress(content))
    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"{mirror.url}m")
    assert load_hands("pendigits").y.tolist() == [7, 1, 0, 7, 1]
    kept = cache.parent / "hands"
    assert {path.name for path in kept.iterdir()} == {
        *("pendigits-orig.tra.gz", "pendigits-orig.tes.gz")
    }
    mirror.asked.clear()
    assert load_hands("pendigits").source == str(kept)
    assert mirror.asked == []


def zipped(*names: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("Index", "what there is")
        for name in names:
            file.writestr(f"{name}.Z", compress(CONTENTS[name]))
    return archive.getvalue()


def test_downloaded_from_uci_as_it_packs_them(cache, mirror, monkeypatch):
    """One file as it has always been there; the others in the archive of the new site."""
    monkeypatch.setattr(hands, "_UCI", mirror.url.rstrip("/"))
    names = list(SETS["pendigits"].files)
    old = "/ml/machine-learning-databases/"
    new = "/static/public/81/pen+based+recognition+of+handwritten+digits.zip"
    mirror.replies[f"{old}pendigits/{names[0]}.Z"] = answer(compress(CONTENTS[names[0]]))
    mirror.replies[new] = answer(zipped(*names))
    mirror.replies[f"{old}semeion/semeion.data"] = answer(CONTENTS["semeion.data"])
    assert len(load_hands("pendigits")) == 5
    assert len(load_hands("semeion")) == 6
    paths = [f"{old}pendigits/{name}.Z" for name in names]
    assert mirror.asked == [*paths, new, f"{old}semeion/semeion.data"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(zipped()), "damaged, or another file"),
        (answer(zipped("optdigits-orig.tra")[:200]), "damaged, or another file"),
        (answer(compress(CONTENTS["optdigits-orig.tra"])[:-20]), "damaged, or another file"),
        (answer(b"<html>"), "a web page"),
        (answer(b"", 404), "HTTP 404"),
    ],
)
def test_what_uci_has_is_not_what_was_asked_for(cache, mirror, monkeypatch, reply, reason):
    monkeypatch.setattr(hands, "_UCI", mirror.url.rstrip("/"))
    mirror.replies["/"] = reply
    with pytest.raises(DigitsError) as error:
        load_hands("optdigits")
    base = f"{mirror.url}ml/machine-learning-databases/optdigits/"
    assert line(error).startswith(f"optdigits could not be downloaded: {base} ({reason}), ")
    assert line(error).endswith("with --data-dir or OVR_DIGITS_HANDS")
    assert not (cache.parent / "hands").exists()


# --- the command ------------------------------------------------------------------------------


def test_the_command_knows_all_sets():
    for name in ("data", "data show", "data summary", "data download"):
        command = main
        for part in name.split():
            command = command.commands[part]
        (option,) = [parameter for parameter in command.params if parameter.name == "dataset"]
        assert tuple(option.type.choices)[-len(ALL) :] == ALL


def test_the_command_tells_what_is_at_hand_and_whom_to_name(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("OVR_DIGITS_HANDS", str(folder))
    result = run("--dataset", "pendigits")
    assert result.exit_code == 0
    for text in ("E. Alpaydin and F. Alimoglu (CC BY 4.0)", "$OVR_DIGITS_HANDS", "10.24432/C5MG6K"):
        assert text in result.stdout
    assert result.stdout.endswith(f"\npendigits: usable, taken from {folder}\n")
    assert max(len(text) for text in result.stdout.splitlines() if str(tmp_path) not in text) <= 80
    said = json.loads(run("--dataset", "pendigits", "--json").stdout)
    assert (said["dataset"], said["usable"], said["parts"]) == ("pendigits", True, {"all": True})
    assert said["in_use"] == "OVR_DIGITS_HANDS"
    assert [file["state"] for file in said["places"][1]["files"]] == ["digest right"] * 2
    (folder / "pendigits-orig.tes.Z").unlink()
    (folder / "pendigits-orig.tra").write_bytes(CONTENTS["pendigits-orig.tra"][:-50])
    said = json.loads(run("--dataset", "pendigits", "--json").stdout)
    states = [file["state"] for file in said["places"][1]["files"]]
    assert states == ["digit 3 is damaged or cut off", "missing"]
    result = run("--dataset", "pendigits")
    assert result.exit_code == 1
    assert f"repair it with ovr-digits data download --dataset pendigits --data-dir {folder}" in (
        result.stderr
    )


def test_the_command_shows_and_counts_them(folder, tmp_path):
    options = ["--dataset", "optdigits", "--data-dir", folder]
    shown = [json.loads(text) for text in run("show", *options, "--json").stdout.splitlines()]
    assert sorted((sample["index"], sample["label"]) for sample in shown) == [
        (0, 4),
        (1, 0),
        (2, 9),
    ]
    found = load_hands("optdigits", folder).images(0, 0).reshape(-1, 28, 28)
    assert all(sample["pixels"] == found[sample["index"]].tolist() for sample in shown)
    said = json.loads(run("summary", *options, "--json").stdout)
    assert (said["dataset"], said["split"], said["samples"]) == ("optdigits", "all", 3)
    assert said["counts"] == [1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    result = run("show", *options, "--split", "train")
    assert (result.exit_code, "optdigits has no parts" in result.stderr) == (2, True)
    result = run("show", *options, "--index", 3)
    assert (result.exit_code, "the optdigits has 3 samples" in result.stderr) == (2, True)


def test_the_command_downloads_them(tmp_path, mirror, monkeypatch):
    mirror.replies["/m/semeion.data.gz"] = answer(gzip.compress(CONTENTS["semeion.data"]))
    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"{mirror.url}m")
    result = run("download", "--dataset", "semeion", "--data-dir", tmp_path / "mine")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            f"semeion: 1 of 1 files downloaded into {tmp_path / 'mine'}",
            f"commands use it with --data-dir {tmp_path / 'mine'}, "
            "or with OVR_DIGITS_HANDS set to it",
        ],
    )
    result = run("download", "--dataset", "semeion", "--data-dir", tmp_path / "mine")
    assert result.stdout.startswith("semeion is already there and complete: ")


def test_commands_that_train_and_evaluate_do_not_take_them():
    for name in ("train", "evaluate", "test", "compare"):
        result = CliRunner().invoke(main, [name, "--dataset", "semeion"])
        assert result.exit_code == 2


# --- the real ones ----------------------------------------------------------------------------

SHARED = Path(__file__).parents[2] / "shared" / "hands"


@pytest.fixture(scope="module")
def real_folder() -> Path:
    """The folder with the real sets; read before it is isolated away."""
    folder = Path(os.environ.get("OVR_DIGITS_HANDS") or SHARED)
    if not folder.is_dir():
        pytest.skip("needs the real sets: set OVR_DIGITS_HANDS to their folder")
    return folder


@pytest.mark.parametrize(
    ("name", "counts", "n_writers"),
    [
        ("pendigits", [1143, 1143, 1144, 1055, 1144, 1055, 1056, 1142, 1055, 1055], 44),
        ("optdigits", [189, 198, 195, 199, 186, 187, 195, 201, 180, 204], 30),
        ("semeion", [161, 162, 159, 159, 161, 159, 161, 158, 155, 158], 6),
    ],
)
def test_the_real_sets(real_folder, monkeypatch, name, counts, n_writers):
    monkeypatch.setattr(hands, "SETS", SETS)
    found = load_hands(name, real_folder)
    assert np.bincount(found.y).tolist() == counts
    assert len(np.unique(found.writers)) == n_writers
    rows = np.arange(0, len(found), 40)
    detectors = load_models(Path(__file__).parents[1] / "models.pkl")
    assert (
        detectors.scores(found.images(0, 0, rows)).argmax(axis=1) == found.y[rows]
    ).mean() > 0.85


# --- what models rehearse ----------------------------------------------------------------------


def test_adapting_rehearses_the_hands_that_are_at_hand_and_names_the_others(
    folder, cache, tmp_path, tiny_models, monkeypatch
):
    models = load_models(tiny_models)
    detectors = detectors_of(models, "log_loss", 1)
    learnt_from = {"options": {"hands": ["pendigits", "optdigits", "semeion"]}}
    for detector in detectors:
        detector.provenance_ = models.provenance | learnt_from
    save_models(detectors, tmp_path / "models.pkl")
    for name in ("optdigits-orig.tra.gz", "semeion.data.Z"):  # one in a named folder, one not
        place = tmp_path / "cache" / "hands" if name.startswith("s") else tmp_path / "named"
        place.mkdir(parents=True)
        (folder / name).rename(place / name)
    seven = Path(__file__).parent.parent / "examples" / "seven.png"
    vote = count_votes(np.zeros((1, 10)))[0]
    keep_correction(tmp_path / "kept", seven.read_bytes(), 7, vote)

    rehearsed = []

    def spied(models, kept, rehearsal, *others):
        rehearsed.append(rehearsal)
        return adapt_detectors(models, kept, rehearsal, *others)

    monkeypatch.setattr(retraining, "adapt_detectors", spied)
    given = ["adapt", tmp_path / "kept", "--models", tmp_path / "models.pkl", "--dataset", "digits"]
    given += ["--data-dir", tmp_path / "named", "--output", tmp_path / "own.pkl", "--accept-loss"]
    done = CliRunner().invoke(main, list(map(str, given)))
    assert done.exit_code == 0, done.stderr
    assert "hands as well: optdigits, semeion" in done.stdout
    assert "not replayed, though learnt from: pendigits, which is not at hand" in done.stdout
    ((X, y),) = rehearsed
    others = np.concatenate(
        [
            load_hands("optdigits", tmp_path / "named").images(0, 0),
            load_hands("semeion").images(0, 0),
        ]
    )
    np.testing.assert_array_equal(X[-len(others) :], others)
    assert y[-len(others) :].tolist() == [4, 0, 9, 0, 0, 1, 9, 0, 3]
    (told,) = load_models(tmp_path / "own.pkl").provenance["adaptations"]
    assert told["rehearsed_hands"] == ["optdigits", "semeion"]
    assert told["missing_hands"] == ["pendigits"]
