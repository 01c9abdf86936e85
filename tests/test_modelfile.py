"""models.pkl: plain pickle for whoever trusts it, and a reader that runs nothing for all others."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import pickle
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import SGDClassifier

from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes, n_positions
from ovr_digits.models import limits
from ovr_digits.models.modelfile import load_models, parse_models, save_models
from ovr_digits.models.place import FILE_NAME, MAX_BYTES, ModelFileError, find_models

COMMITTED = Path(__file__).parent.parent / FILE_NAME


def python(
    script: str, *arguments: object, env: dict[str, str] | None = None, timeout: float = 600
) -> str:
    """Run a script in a Python of its own; give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(data: bytes) -> str:
    """Why these bytes are refused."""
    with pytest.raises(ModelFileError) as caught:
        parse_models(data)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert len(message) < 300
    return message


# --- plain pickle --------------------------------------------------------------------------


@pytest.fixture(params=["tiny", "committed"])
def models(request: pytest.FixtureRequest, tiny_models: Path) -> Path:
    """A models.pkl just written, and the one that ships."""
    if request.param == "tiny":
        return tiny_models
    if not COMMITTED.is_file():
        pytest.skip("no models.pkl in this checkout")
    return COMMITTED


def test_plain_pickle_gives_ten_binary_classifiers(models, digit_images):
    detectors = pickle.loads(models.read_bytes())
    assert type(detectors) is list
    assert len(detectors) == 10
    for detector in detectors:
        assert detector.classes_.dtype == bool
        assert detector.classes_.tolist() == [False, True]
        scores = detector.decision_function(digit_images)
        answers = detector.predict(digit_images)
        chances = detector.predict_proba(digit_images)
        assert scores.shape == answers.shape == (40,)
        assert scores.dtype == np.float64
        assert answers.dtype == bool
        assert chances.shape == (40, 2)
        np.testing.assert_array_equal(answers, scores > 0)
        np.testing.assert_array_equal(answers, chances[:, 1] > 0.5)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        sgd = detector.steps[-1][1]
        assert isinstance(sgd, SGDClassifier)
        assert sgd.coef_.shape == (1, sgd.n_features_in_)
        assert detector.steps[0][1] is detectors[0].steps[0][1]  # shared, not stored ten times


def test_each_detector_knows_its_own_digit(models):
    """Not only are there ten of them: number d is the one for digit d."""
    from ovr_digits.data.splits import load_split

    split = load_split("digits", "test")
    scores = load_models(models).decision_function(split.X[:200])
    assert (scores.argmax(axis=1) == split.y[:200]).mean() > 0.9


def test_pickle_and_reader_vote_alike_to_the_last_bit(models, digit_images):
    detectors = pickle.loads(models.read_bytes())
    scores = np.stack([d.decision_function(digit_images) for d in detectors], axis=1)
    np.testing.assert_array_equal(scores, load_models(models).decision_function(digit_images))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grey_levels_may_be_floats(models, digit_images, dtype):
    detectors = pickle.loads(models.read_bytes())
    read = load_models(models)
    as_bytes, as_floats = (
        read.decision_function(x) for x in (digit_images, digit_images / dtype(1))
    )
    np.testing.assert_allclose(as_floats, as_bytes, atol=1e-2)
    for d, detector in enumerate(detectors):
        scores = detector.decision_function(digit_images.astype(dtype))
        np.testing.assert_array_equal(scores, as_floats[:, d])


def test_another_process_that_only_unpickles_votes_alike(tiny_models, digit_images, tmp_path):
    np.save(tmp_path / "images.npy", digit_images)
    python(
        "import pickle, sys; import numpy as np\n"
        "with open(sys.argv[1], 'rb') as file: detectors = pickle.load(file)\n"
        "X = np.load(sys.argv[2])\n"
        "np.save(sys.argv[3], np.stack([d.decision_function(X) for d in detectors], axis=1))\n",
        tiny_models,
        tmp_path / "images.npy",
        tmp_path / "scores.npy",
        env={"OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "")},
    )
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_array_equal(scores, load_models(tiny_models).decision_function(digit_images))


def test_committed_file_is_small_and_says_where_it_comes_from():
    if not COMMITTED.is_file():
        pytest.skip("no models.pkl in this checkout")
    assert COMMITTED.stat().st_size < 5_000_000
    provenance = load_models(COMMITTED).provenance
    assert provenance["dataset"] == "mnist"
    assert re.fullmatch("[0-9a-f]{64}", provenance["digest"])
    assert isinstance(provenance["options"]["seed"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", provenance["created"])
    assert {"python", "numpy", "scikit-learn", "ovr-digits"} <= set(provenance["versions"])
    assert 0.9 < provenance["validation_accuracy"] <= 1
    assert 0.9 < provenance["test_accuracy"] <= 1
    assert "split" in provenance


# --- the reader ----------------------------------------------------------------------------


def test_reading_and_voting_import_no_heavy_library(models):
    output = python(
        "import sys, json; import numpy as np\n"
        "from ovr_digits import load_models, count_votes\n"
        "count_votes(load_models(sys.argv[1]).decision_function(np.zeros((1, 784), np.uint8)))\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))",
        models,
    )
    loaded = set(json.loads(output))
    assert "numpy" in loaded
    assert not loaded & {"sklearn", "scipy", "matplotlib", "joblib", "PIL"}


def test_weights_of_half_precision_are_read_without_a_warning(tiny_models_bytes):
    def halve(detectors: list[Any]) -> None:
        for detector in detectors:
            detector.sgd_.coef_ = detector.sgd_.coef_.astype(np.float16)

    halved = parse_models(changed(tiny_models_bytes, detectors=halve))
    np.testing.assert_allclose(
        halved.coef, parse_models(tiny_models_bytes).coef, rtol=2e-3, atol=1e-6
    )


# --- contents that are no ten detectors ----------------------------------------------------


def changed(
    data: bytes,
    *,
    detectors: Callable[[list[Any]], Any] | None = None,
    layer: Callable[[dict[str, Any]], Any] | None = None,
    depth: int = 0,
) -> bytes:
    """A real file with one thing about it changed."""
    content = pickle.loads(data)
    if layer:
        features = content[0].features_
        branch = features.branches_[0]
        fields = dict(vars(branch.layers[depth]))
        layer(fields)
        layers = list(branch.layers)
        layers[depth] = type(layers[depth])(**fields)
        straight = dataclasses.replace(branch, layers=tuple(layers))
        features.branches_ = (straight, *features.branches_[1:])
    if detectors:
        result = detectors(content)
        content = content if result is None else result
    return pickle.dumps(content, protocol=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:9], "9 detectors, not 10"),
        (lambda d: [*d, d[0]], "11 detectors, not 10"),
        (lambda d: [], "0 detectors, not 10"),
        (lambda d: dict(enumerate(map(str, d))), "no names|no list"),
        (lambda d: {"detectors": d}, "no list of digit detectors"),
        (lambda d: tuple(d), "no list of digit detectors"),
        (lambda d: d[0], "no list of digit detectors"),
        (lambda d: [*d[:9], d[0].sgd_], "no list of digit detectors"),
        (lambda d: None, "no list of digit detectors"),
    ],
)
def test_content_must_be_a_list_of_ten_detectors(tiny_models_bytes, change, message):
    data = pickle.dumps(change(pickle.loads(tiny_models_bytes)), protocol=4)
    assert re.search(message, refusal(data))


def each(function: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    def change(detectors: list[Any]) -> None:
        function(detectors[4])

    return change


def put(value: float) -> Callable[[Any], None]:
    def change(detector: Any) -> None:
        detector.sgd_.coef_[0, 1] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: setattr(d.sgd_, "coef_", d.sgd_.coef_[:, :-1]), "coef_ has the wrong shape"),
        (lambda d: setattr(d.sgd_, "coef_", d.sgd_.coef_ > 0), "coef_ is no array of numbers"),
        (lambda d: delattr(d.sgd_, "coef_"), "coef_ is no array"),
        (lambda d: setattr(d.sgd_, "intercept_", np.zeros(2)), "intercept_ has the wrong shape"),
        (lambda d: setattr(d.sgd_, "intercept_", np.array([np.nan])), "not finite"),
        (lambda d: setattr(d.sgd_, "intercept_", np.array([1e300])), "too large"),
        (lambda d: setattr(d.sgd_, "coef_", d.sgd_.coef_.astype(float) + 1e300), "too large"),
        (put(np.nan), "coef_ holds numbers that are not finite"),
        (put(np.inf), "coef_ holds numbers that are not finite"),
        (put(3e38), "too large"),
        (lambda d: delattr(d, "sgd_"), "no SGD classifier"),
        (lambda d: setattr(d, "sgd_", d.features_), "no SGD classifier"),
        (lambda d: delattr(d, "features_"), "share their features"),
        (lambda d: setattr(d, "features_", pickle.loads(pickle.dumps(d.features_))), "share"),
    ],
)
def test_a_detector_that_does_not_fit_is_refused(tiny_models_bytes, change, message):
    assert message in refusal(changed(tiny_models_bytes, detectors=each(change)))


def of_features(function: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    def change(detectors: list[Any]) -> None:
        function(detectors[0].features_)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: setattr(f, "image_shape_", (27, 28)), "28×28"),
        (lambda f: setattr(f, "branches_", ()), "no layers"),
        (lambda f: setattr(f, "branches_", f.branches_ * 17), "no layers"),
        (lambda f: setattr(f, "branches_", f.branches_ * 2), "coef_ has the wrong shape"),
        (
            lambda f: setattr(
                f, "branches_", (dataclasses.replace(f.branches_[0], view="sideways\x1b"),)
            ),
            "sideways?, unknown to this version",
        ),
        (
            lambda f: setattr(f, "branches_", (dataclasses.replace(f.branches_[0], layers=()),)),
            "no layers",
        ),
    ],
)
def test_features_that_do_not_fit_are_refused(tiny_models_bytes, change, message):
    assert message in refusal(changed(tiny_models_bytes, detectors=of_features(change)))


@pytest.mark.parametrize(
    ("change", "depth", "message"),
    [
        ({"patch_size": 4}, 0, "wrong settings"),
        ({"patch_size": 5.0}, 0, "wrong settings"),
        ({"stride": 0.0}, 0, "wrong settings"),
        ({"stride": float("nan")}, 0, "wrong settings"),
        ({"alpha": float("inf")}, 0, "wrong settings"),
        ({"patch_size": 7}, 0, "anchors has the wrong shape"),
        ({"anchors": np.zeros((8, 24), np.float32)}, 0, "anchors has the wrong shape"),
        ({"anchors": np.full((8, 9), np.nan, np.float32)}, 0, "not finite"),
        ({"anchors": np.ones((8, 9), np.float32)}, 0, "wrong settings"),
        ({"whitener": np.zeros((7, 8), np.float32)}, 0, "whitener has the wrong shape"),
        ({"whitener": np.zeros((8, 9), np.float32)}, 0, "wrong settings"),
        ({"whitener": "none"}, 0, "whitener is no array"),
        ({"anchors": np.zeros((16, 9), np.float32)}, 1, "anchors has the wrong shape"),
        (
            {"anchors": np.zeros((1, 15 * 15), np.float32), "patch_size": 15, "stride": 1.0}
            | {"whitener": np.zeros((1, 1), np.float32), "alpha": 1e3},
            0,
            "wrong settings",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(tiny_models_bytes, change, depth, message):
    data = changed(tiny_models_bytes, layer=lambda fields: fields.update(change), depth=depth)
    assert message in refusal(data)


@pytest.mark.parametrize(
    ("leading", "message"),
    [
        (lambda n: "axes", "leading axes of its features are none"),
        (lambda n: LeadingAxes(np.zeros((n - 1, 5)), np.zeros(5)), "axes has the wrong shape"),
        (lambda n: LeadingAxes(np.zeros((n, 5)), np.zeros(4)), "offset has the wrong shape"),
        (lambda n: LeadingAxes(np.zeros((n, 5), int), np.zeros(5)), "axes is no array of numbers"),
        (lambda n: LeadingAxes(np.full((n, 5), np.nan), np.zeros(5)), "not finite"),
        (lambda n: LeadingAxes(np.full((n, 5), 1e30), np.zeros(5)), "too large"),
        (lambda n: LeadingAxes(np.zeros((n, 300)), np.zeros(300)), "too much memory"),
        (lambda n: LeadingAxes(np.zeros((n, 4)), np.zeros(4)), "coef_ has the wrong shape"),
        (lambda n: None, "coef_ has the wrong shape"),
    ],
)
def test_leading_axes_that_do_not_fit_are_refused(tiny_models_bytes, leading, message):
    def change(features: Any) -> None:
        first = features.branches_[0]
        changed = dataclasses.replace(first, leading=leading(first.n_pooled((28, 28))))
        features.branches_ = (changed, *features.branches_[1:])

    assert message in refusal(changed(tiny_models_bytes, detectors=of_features(change)))


def test_layers_that_would_take_gigabytes_for_one_image_are_refused(tiny_models_bytes):
    """Half a megabyte of anchors can ask for more: 15×15 patches of a thousand channels."""

    def wide(fields: dict[str, Any]) -> None:
        fields.update(anchors=np.zeros((1024, 9), np.float32), stride=1.0)
        fields.update(whitener=None)

    def deep(fields: dict[str, Any]) -> None:
        fields.update(anchors=np.zeros((1, 225 * 1024), np.float32), patch_size=15)

    data = changed(changed(tiny_models_bytes, layer=wide), layer=deep, depth=1)
    assert "too much memory" in refusal(data)


def shared(branch: Branch, n_branches: int) -> Callable[[list[Any]], None]:
    """One branch in many places, and one array for the weights of all detectors."""

    def change(detectors: list[Any]) -> None:
        detectors[0].features_.branches_ = (branch,) * n_branches
        coef = np.zeros((1, n_branches * branch.n_features((28, 28))), np.float16)
        for detector in detectors:
            detector.sgd_.coef_ = coef

    return change


def layer_of_zeros(n_anchors: int, n_inputs: int, size: int, stride: float) -> KernelLayer:
    anchors = np.zeros((n_anchors, n_inputs), np.float16)
    return KernelLayer(anchors, size, 1.0, stride, False, None)


def with_axes(branch: Branch, n_axes: int) -> Branch:
    axes = np.zeros((branch.n_pooled((28, 28)), n_axes), np.float16)
    return dataclasses.replace(branch, leading=LeadingAxes(axes, np.zeros(n_axes)))


def one_layer(n_anchors: int, stride: float, size: int = 3) -> Branch:
    return Branch("raw", (layer_of_zeros(n_anchors, size * size, size, stride),))


WIDE = layer_of_zeros(4096, 4096, 1, 28.0)


@pytest.mark.parametrize(
    ("branch", "n_branches"),
    [
        # What is stored once and used often.
        (Branch("raw", (layer_of_zeros(4096, 225, 15, 28.0), WIDE, WIDE, WIDE)), 16),
        (one_layer(4096, 1.0, size=1), 8),
        (with_axes(one_layer(60, 2.0), 256), 16),
        # Votes that would take a gigabyte.
        (one_layer(4096, 28.0), 1),
        (one_layer(1183, 2.0), 1),
        (with_axes(one_layer(4, 28.0), 256), 16),
        (with_axes(one_layer(434, 2.0), 100), 1),
    ],
)
def test_small_files_cannot_ask_for_gigabytes(tiny_models_bytes, branch, n_branches):
    data = changed(tiny_models_bytes, detectors=shared(branch, n_branches))
    assert "too much memory" in refusal(data)


def test_the_largest_that_is_read_votes_in_little_memory(tiny_models_bytes, tmp_path):
    branch = with_axes(one_layer(430, 2.0), 54)
    path = tmp_path / "models.pkl"
    path.write_bytes(changed(tiny_models_bytes, detectors=shared(branch, 1)))
    output = python(
        "import sys\n"
        "import numpy as np\n"
        "from ovr_digits.models.modelfile import load_models\n"
        "models = load_models(sys.argv[1])\n"
        "assert np.isfinite(models.decision_function(np.zeros((256, 784), np.uint8))).all()\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n",
        path,
    )
    assert int(output) < 350_000


def test_no_limit_is_near_what_the_largest_preset_needs():
    models = load_models(COMMITTED)
    n_features = models.coef.shape[1]
    assert 3 * n_features < limits.MAX_FEATURES
    n_stored = 0
    for branch in models.branches:
        side = 28
        for layer in branch.layers:
            n_patches = n_positions(side, layer.patch_size) ** 2
            assert 5 * n_patches * sum(layer.anchors.shape) < limits.MAX_NUMBERS
            side = math.ceil(n_positions(side, layer.patch_size) / layer.stride)
            n_stored += layer.anchors.size
        n_stored += 0 if branch.leading is None else branch.leading.axes.size
    assert 4 * n_stored < limits.MAX_STORED


# --- provenance ----------------------------------------------------------------------------


def with_provenance(data: bytes, provenance: Any) -> bytes:
    def change(detectors: list[Any]) -> None:
        for detector in detectors:
            detector.provenance_ = provenance

    return changed(data, detectors=change)


def test_provenance_comes_back_as_plain_values(tiny_models_bytes):
    told = {"a": 1, "b": [2.5, None, True], "c": {"d": "é"}, "e": (1, 2)}
    read = parse_models(with_provenance(tiny_models_bytes, told)).provenance
    assert read == {**told, "e": [1, 2]}


def test_texts_of_provenance_can_be_printed(tiny_models_bytes):
    told = {"a\x1b": "\x1b]0;title\x07\x1b[2J", "b": ["lines\r\n", "\ud800", "\u202e", "\x9b"]}
    read = parse_models(with_provenance(tiny_models_bytes, told)).provenance
    assert read == {"a?": "?]0;title??[2J", "b": ["lines??", "?", "?", "?"]}


def test_provenance_is_optional(tiny_models_bytes):
    bare = changed(tiny_models_bytes, detectors=lambda d: delattr(d[0], "provenance_"))
    assert parse_models(bare).provenance == {}


def self_reference() -> dict[str, Any]:
    table: dict[str, Any] = {}
    table["itself"] = table
    return table


def many_laughs() -> dict[str, Any]:
    laugh: list[Any] = ["ha"] * 10
    for _ in range(6):
        laugh = [laugh] * 10
    return {"joke": laugh}


def wide_laughs() -> dict[str, Any]:
    return {"joke": [["ha"] * 1000] * 1000}


def tower() -> tuple[Any, ...]:
    """A tuple of two that are the same tuple of two, and so on: a terabyte when written out."""
    value: tuple[Any, ...] = ()
    for _ in range(40):
        value = (value, value)
    return value


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        (self_reference(), "nested too deep"),
        (many_laughs(), "too long"),
        (wide_laughs(), "too long"),
        ({"tower": tower()}, "nested too deep"),
        ({"key": {1: 2}}, "keys are no names"),
        ({"array": np.zeros(3)}, "more than plain values"),
        ({"bytes": b"x"}, "more than plain values"),
        ({"accuracy": float("nan")}, "not finite"),
        ({"seconds": float("-inf")}, "not finite"),
        ({"again": ["ha" * 1_000_000] * 9_000}, "too long"),
        ([1], "no table"),
        (None, "no table"),
    ],
)
def test_provenance_that_is_no_plain_table_is_refused(tiny_models_bytes, provenance, message):
    assert message in refusal(with_provenance(tiny_models_bytes, provenance))


# --- damage --------------------------------------------------------------------------------


def test_a_file_cut_short_anywhere_is_refused(tiny_models_bytes):
    size = len(tiny_models_bytes)
    for end in [0, 1, 2, 3, *range(size // 50, size, size // 50), size - 1]:
        refusal(tiny_models_bytes[:end])


def test_a_view_without_end_is_not_shown(tiny_models_bytes):
    def change(features: Any) -> None:
        features.branches_ = (dataclasses.replace(features.branches_[0], view=tower()),)

    data = changed(tiny_models_bytes, detectors=of_features(change))
    assert "the view a tuple, unknown" in refusal(data)


# --- files that are something else ---------------------------------------------------------


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (28, 28)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello", "not a models.pkl"),
        (b"digit,score\n7,1.5\n", "not a models.pkl"),
        (b"\x80", ""),
        (b"\x80\x04.", ""),
        *((picture(kind), "not a models.pkl") for kind in ("PNG", "JPEG", "GIF", "BMP")),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "models.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=re.escape(str(path))) as caught:
        load_models(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ModelFileError, match="folder"):
        load_models(tmp_path)
    with pytest.raises(ModelFileError, match="no such file; make one with: ovr-digits train"):
        load_models(tmp_path / "models.pkl")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_models("models\0.pkl")


def test_too_large_a_file_is_not_parsed(tmp_path):
    with (tmp_path / "models.pkl").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: takes no room
    with pytest.raises(ModelFileError, match="over 64 MB"):
        load_models(tmp_path / "models.pkl")


def test_a_file_without_permission_is_told(tiny_models_bytes, tmp_path):
    path = tmp_path / "models.pkl"
    path.write_bytes(tiny_models_bytes)
    path.chmod(0)
    output = python(
        "import os, sys\n"
        "from ovr_digits.models.modelfile import load_models\n"
        "from ovr_digits.models.place import ModelFileError\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may read everything
        "try: load_models(sys.argv[1])\n"
        "except ModelFileError as error: print(error)\n",
        path,
    )
    assert "permission denied" in output


def test_models_are_found_in_the_working_folder_first(tmp_path, monkeypatch, tiny_models_bytes):
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(tiny_models_bytes)
    assert find_models().resolve() == tmp_path / FILE_NAME
    assert find_models("elsewhere.pkl") == Path("elsewhere.pkl")


# --- writing -------------------------------------------------------------------------------


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_saved_is_read(tiny_model, tmp_path, digit_images):
    save_models(tiny_model.detectors_, tmp_path / "models.pkl")
    assert left_over(tmp_path) == {"models.pkl"}
    np.testing.assert_array_equal(
        load_models(tmp_path / "models.pkl").decision_function(digit_images),
        tiny_model.decision_function(digit_images),
    )


def test_what_could_not_be_read_is_not_written(tiny_models_bytes, tmp_path):
    (tmp_path / "models.pkl").write_bytes(b"old")
    detectors = pickle.loads(tiny_models_bytes)
    for wrong in (detectors[:9], [*detectors[:9], 7], []):
        with pytest.raises(ModelFileError):
            save_models(wrong, tmp_path / "models.pkl")
    assert (tmp_path / "models.pkl").read_bytes() == b"old"
    assert left_over(tmp_path) == {"models.pkl"}


@pytest.mark.parametrize(
    "name",
    [
        "missing/models.pkl",
        "folder",
        "models\0.pkl",
        pytest.param(
            "link",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 13), reason="there such a link is replaced by the file"
            ),
        ),
    ],
)
def test_where_no_file_can_be_all_stays_as_it_was(tiny_model, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "link")  # to itself
    with pytest.raises(ModelFileError, match="cannot be written"):
        save_models(tiny_model.detectors_, tmp_path / name)
    assert left_over(tmp_path) == {"folder", "link"}
    assert (tmp_path / "folder").is_dir()


def test_a_full_disk_leaves_the_old_file(tiny_models, tmp_path):
    """A limit on the size of files stands for the disk: writing fails half-way."""
    (tmp_path / "models.pkl").write_bytes(b"old")
    output = python(
        "import pickle, resource, sys\n"
        "from ovr_digits.models.modelfile import save_models\n"
        "from ovr_digits.models.place import ModelFileError\n"
        "with open(sys.argv[1], 'rb') as file: detectors = pickle.load(file)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: save_models(detectors, sys.argv[2])\n"
        "except ModelFileError as error: print(error)\n",
        tiny_models,
        tmp_path / "models.pkl",
    )
    assert "cannot be written" in output
    assert (tmp_path / "models.pkl").read_bytes() == b"old"
    assert left_over(tmp_path) == {"models.pkl"}


def test_failing_to_sync_or_rename_leaves_the_old_file(tiny_model, tmp_path, monkeypatch):
    (tmp_path / "models.pkl").write_bytes(b"old")

    def fail(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    for owner, name in ((os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(ModelFileError, match="Input/output error"):
                save_models(tiny_model.detectors_, tmp_path / "models.pkl")
        assert (tmp_path / "models.pkl").read_bytes() == b"old"
        assert left_over(tmp_path) == {"models.pkl"}


KILLS = """
import os, pickle, random, signal, sys, time
from ovr_digits.models.modelfile import load_models, save_models

path, rng, seen = sys.argv[2], random.Random(0), set()
with open(sys.argv[1], "rb") as file:
    detectors = pickle.load(file)

padding = "x" * 4_000_000  # writing it takes a while

def save(run):
    for detector in detectors:
        detector.provenance_ = {"run": run, "padding": padding}
    save_models(detectors, path)

save("first")
for kill in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        try:
            for run in range(1_000_000):
                save(f"{kill}.{run}")
        finally:
            os._exit(1)
    seen_before, gives_up = len(seen), time.monotonic() + 300
    while len(seen) == seen_before and time.monotonic() < gives_up:
        seen.add(load_models(path).provenance["run"])
    ends = time.monotonic() + rng.uniform(0, 0.05)
    while time.monotonic() < ends:
        seen.add(load_models(path).provenance["run"])
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was to be killed while saving"
    models = load_models(path)
    assert len(models.coef) == 10 and len(models.provenance["padding"]) == 4_000_000
    seen.add(models.provenance["run"])
print(len(seen))
"""


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_any_moment_a_whole_file_is_there(tiny_models, tmp_path, kills):
    seen = int(python(KILLS, tiny_models, tmp_path / "models.pkl", kills))
    assert seen >= kills  # it was written again and again meanwhile


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_its_mode_is_that_of_any_new_file(tiny_model, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_models(tiny_model.detectors_, tmp_path / "models.pkl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "models.pkl").stat().st_mode) == mode


def test_a_link_keeps_pointing_at_its_file(tiny_model, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "models.pkl").symlink_to(tmp_path / "real" / "m.pkl")
    save_models(tiny_model.detectors_, tmp_path / "models.pkl")
    assert (tmp_path / "models.pkl").is_symlink()
    assert left_over(tmp_path / "real") == {"m.pkl"}
    assert load_models(tmp_path / "models.pkl").coef.shape[0] == 10
