"""What is exported gives the answers of the detectors that it was made of."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.splits import load_split
from ovr_digits.models.modelfile import load_models

LONG = pytest.mark.long
#: Scores that are nearer to 0 may have another sign elsewhere, by rounding.
NEAR = 0.02


class Onnx:
    """An ONNX file in the hands of onnxruntime."""

    def __init__(self, path: Path) -> None:
        runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, X: np.ndarray) -> list[np.ndarray]:
        parts = (X[first : first + 64] for first in range(0, len(X), 64))
        answers = [self.session.run(None, {"images": part}) for part in parts]
        return [np.concatenate(output) for output in zip(*answers, strict=True)]


def expect_same(models: DetectorArrays, X: np.ndarray, answers: list[np.ndarray]) -> None:
    """Scores, votes, fired and digit are those of the detectors on images X."""
    expected = models.decision_function(X)
    scores, votes, fired, digit = answers
    assert np.abs(scores - expected).max() < NEAR
    np.testing.assert_allclose(votes, 1 / (1 + np.exp(-expected)), atol=NEAR)
    plain = np.abs(expected) > NEAR
    np.testing.assert_array_equal(fired[plain], (expected > 0)[plain])
    np.testing.assert_array_equal(digit, expected.argmax(axis=1))


@pytest.mark.parametrize("made", ["tiny_models", "with_every_view", None])
def test_an_onnx_file_gives_the_same_answers(run, request, tmp_path, made, odd_images):
    path = request.getfixturevalue(made) if made else Path(__file__).parent.parent / "models.pkl"
    done = run("export", "model.onnx", "--models", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("written to model.onnx, ")
    expect_same(load_models(path), odd_images, Onnx(tmp_path / "model.onnx")(odd_images))


@pytest.mark.parametrize("arguments", [["page.html"], ["page.txt", "--format", "page"]])
def test_a_page_is_written_that_holds_all_that_it_needs(run, tmp_path, tiny_models, arguments):
    done = run("export", *arguments, "--models", tiny_models)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / arguments[0]).read_text()
    assert text.startswith("<!doctype html>")
    assert not re.search(r"""(?:src|href)="(?!data:|/docs)""", text)  # /docs is hidden in it
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)


@LONG
@pytest.mark.mnist
def test_an_onnx_file_gives_the_same_answers_on_all_test_images(
    run, mnist_dir, shipped_models, tmp_path
):
    X = load_split("mnist", "test", mnist_dir).X
    run("export", "model.onnx")
    expect_same(shipped_models, X, Onnx(tmp_path / "model.onnx")(X))


def test_an_onnx_file_says_where_its_detectors_come_from(run, tmp_path, shipped_models):
    run("export", "exported", "--format", "onnx")
    session = Onnx(tmp_path / "exported").session
    about = session.get_modelmeta()
    assert json.loads(about.custom_metadata_map["provenance"]) == shipped_models.provenance
    assert about.producer_name == "ovr-digits"
    (images,) = session.get_inputs()
    assert (images.type, images.shape[1]) == ("tensor(uint8)", 784)


def test_where_onnx_is_missing_its_extra_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "ovr_digits.models.onnx_file", raising=False)
    done = run("export", "model.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'needs the extra onnx: pip install "ovr-digits[onnx]"' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["model.bin"], 2, "the ending does not say what to write"),
        (["missing/model.onnx"], 1, "does not exist"),
        (["model.onnx", "--models", "none.pkl"], 1, "none.pkl: no such file"),
        (["model.onnx", "--models", "model.onnx"], 2, "name one file"),
    ],
)
def test_what_cannot_be_exported_leaves_what_was_there(run, tmp_path, arguments, status, said):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"as before")
    done = run("export", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert path.read_bytes() == b"as before"
    assert [child.name for child in tmp_path.iterdir() if child.name != "cache"] == ["model.onnx"]
