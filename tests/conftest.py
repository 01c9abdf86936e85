"""What tests share: the real MNIST files where there are any, and an environment of their own."""

from __future__ import annotations

import os

# Before NumPy starts them: threads of several processes at once only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import inspect
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import find_chromium, open_browser
from filelock import FileLock
from hypothesis import settings

from ovr_digits import OneVsRestDigits, PatchKernelFeatures, load_models, save_models
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.views import VIEWS
from ovr_digits.data.splits import load_split

if TYPE_CHECKING:
    from commandline import Run
    from playwright.sync_api import Browser
    from service import Service

# A machine that is busy with other things makes single examples slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


Once = Callable[[str, Callable[[], bytes]], Path]

#: They stop and end processes, and set limits to them, as only POSIX can.
collect_ignore = ["hostile", "test_crashes.py"] if sys.platform == "win32" else []

#: What tests stand on that Windows does not have.
_POSIX_ONLY = re.compile(
    r"os\.fork|os\.killpg|os\.geteuid|SIGKILL|SIGSTOP|mkfifo|/proc/|/dev/|preexec_fn|resource\.|"
    r"symlink_to|start_new_session|chmod\("
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows skip what plainly cannot run there."""
    for item in items if sys.platform == "win32" else ():
        source = inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""
        if found := _POSIX_ONLY.search(source):
            item.add_marker(pytest.mark.skip(reason=f"needs {found[0]}, which is of POSIX"))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: some tests wait for servers and timeouts."""
    return 1 + (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with the real MNIST files; session-wide, so read before it is isolated away."""
    folder = os.environ.get("OVR_DIGITS_DATA")
    if not folder:
        pytest.skip("needs the real MNIST files: set OVR_DIGITS_DATA to their folder")
    return Path(folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Isolate from the user's data and proxies; gives the folder that is the MNIST cache now."""
    monkeypatch.delenv("OVR_DIGITS_DATA", raising=False)
    monkeypatch.delenv("OVR_DIGITS_HANDS", raising=False)
    monkeypatch.delenv("OVR_DIGITS_MIRRORS", raising=False)
    monkeypatch.setenv("OVR_DIGITS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``ovr-digits`` in this process, in the test's folder; see ``commandline.call``."""
    from commandline import call

    return partial(call, folder=tmp_path)


@pytest.fixture(scope="session")
def shipped_models() -> DetectorArrays:
    """The models that ship."""
    return load_models(Path(__file__).parent.parent / "models.pkl")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a file once for all processes of a run: whoever needs it first makes it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[], bytes]) -> Path:
        path = shared / "once" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path.parent}.lock"):
            if not path.exists():
                path.write_bytes(make())
        return path

    return made


@pytest.fixture(scope="session")
def tiny_model(once: Once) -> OneVsRestDigits:
    """Ten real detectors on the digits inside scikit-learn, small so that they train in a second.

    Shared: a test that changes one works on a copy (``pickle.loads(tiny_models_bytes)``).
    """

    def make() -> bytes:
        split = load_split("digits", "train")
        features = PatchKernelFeatures(n_anchors=(8, 16), random_state=0)
        model = OneVsRestDigits(features, epochs=3, n_leading=5, random_state=0)
        return pickle.dumps(model.fit(split.X[:500], split.y[:500]))

    model: OneVsRestDigits = pickle.loads(once("tiny/model.pkl", make).read_bytes())
    return model


@pytest.fixture(scope="session")
def tiny_models(tiny_model: OneVsRestDigits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models.pkl of ``tiny_model``, as ``save_models`` writes it; to be read only."""
    path = tmp_path_factory.mktemp("models") / "models.pkl"
    save_models(tiny_model.detectors_, path)
    return path


@pytest.fixture(scope="session")
def tiny_models_bytes(tiny_models: Path) -> bytes:
    """The content of ``tiny_models``."""
    return tiny_models.read_bytes()


@pytest.fixture(scope="session")
def digit_images() -> np.ndarray:
    """Forty digits (40, 784) uint8 that ``tiny_model`` was not trained on."""
    return load_split("digits", "train").X[600:640]


@pytest.fixture(scope="session")
def with_every_view(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models.pkl trained on the digits inside scikit-learn, with all views and three layers."""

    def make() -> bytes:
        split = load_split("digits", "train")
        features = PatchKernelFeatures(
            n_anchors=(6, 8, 10),
            patch_sizes=(3, 3, 9),  # the last is wider than what is left of the image
            strides=(2.0, 1.5, 1.0),
            alphas=(4.0, 3.0, 2.0),
            views=tuple(VIEWS),
            random_state=0,
        )
        model = OneVsRestDigits(features, epochs=2, random_state=0)
        model.fit(split.X[:300], split.y[:300])
        path = tmp_path_factory.mktemp("models") / "models.pkl"
        save_models(model.detectors_, path)
        return path.read_bytes()

    return once("every-view/models.pkl", make)


@pytest.fixture(scope="session")
def shipped_page(once: Once, shipped_models: DetectorArrays) -> Path:
    """The page in one file, with the models that ship."""
    from ovr_digits.web.page_file import page_bytes

    return once("page/page.html", lambda: page_bytes(shipped_models))


@pytest.fixture(scope="session")
def odd_images(digit_images: np.ndarray) -> np.ndarray:
    """Digits, noise, and pictures that are all paper, all ink and a single dot: (n, 784) uint8."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 784), np.uint8)
    dot = np.where(np.arange(784) == 300, 255, 0).astype(np.uint8)
    extremes = [np.zeros(784, np.uint8), np.full(784, 255, np.uint8), dot]
    return np.concatenate([digit_images, noise, np.stack(extremes)])


@pytest.fixture(scope="session")
def two_workers() -> Iterator[object]:
    """A ``Cluster`` of two workers that no test harms; for those of the xdist group ``cluster``."""
    pytest.importorskip("distributed", reason="needs Dask: pip install 'ovr-digits[dask]'")
    from cluster import Cluster

    with Cluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def service(
    tiny_models_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service with one worker, in this process; tests do it no harm that it cannot mend."""
    from service import Service, Workers

    keep = tmp_path_factory.mktemp("kept") / "corrections"
    keep.mkdir()
    workers = Workers(1, tiny_models_bytes)
    running = Service(workers, workers.start().result(), keep=keep)
    yield running
    running.stop()
    workers.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium: install it or set OVR_DIGITS_CHROMIUM")
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which knows the rules of WCAG."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, to fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
    command += ["--fetch-retries=0", "--fetch-timeout=20000", "--prefer-offline", "axe-core@4"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=40)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"needs axe-core from npm: {error.stderr or error}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
