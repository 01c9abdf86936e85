"""What the package is made of: public names with examples that run, and imports one way."""

from __future__ import annotations

import ast
import doctest
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import ovr_digits
from ovr_digits.models.modelfile import load_models, parse_models

ROOT = Path(__file__).parents[1]
#: The classes of a models.pkl, and where files of version 0.1.0 say that they are.
OLD_NAMES = {
    "DigitDetector": "ovr_digits.detectors",  # keep-old-name
    "PatchKernelFeatures": "ovr_digits.features",  # keep-old-name
    "Branch": "ovr_digits.core.features",
    "KernelLayer": "ovr_digits.core.features",
    "LeadingAxes": "ovr_digits.core.features",
}


@pytest.mark.parametrize("name", ovr_digits.__all__)
def test_examples_of_what_is_public_run(name: str) -> None:
    thing = getattr(ovr_digits, name)
    # Not by module, since the classes of models.pkl carry the package's name.
    found = doctest.DocTestFinder().find(thing, name, module=False)
    run = [e for test in found for e in test.examples if doctest.SKIP not in e.options]
    assert name in [test.name for test in found]
    assert run
    for test in found:
        test.globs = {public: getattr(ovr_digits, public) for public in ovr_digits.__all__}
        results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert results.failed == 0


def stored_names(data: bytes) -> set[str]:
    """The modules of this package that a pickle names."""
    return {
        argument
        for opcode, argument, _ in pickletools.genops(data)
        if opcode.name == "SHORT_BINUNICODE" and str(argument).startswith("ovr_digits")
    }


def test_models_pkl_names_classes_by_their_public_names(tiny_models_bytes: bytes) -> None:
    assert stored_names(tiny_models_bytes) == {"ovr_digits"}
    assert stored_names((ROOT / "models.pkl").read_bytes()) == {"ovr_digits"}


def test_a_file_with_the_old_names_is_read_and_renamed_by_the_next_save(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detectors = pickle.loads(tiny_models.read_bytes())
    classes = {name: getattr(ovr_digits, name) for name in OLD_NAMES}
    with monkeypatch.context() as patch:
        for name, module in OLD_NAMES.items():
            patch.setattr(classes[name], "__module__", module)
            patch.setitem(sys.modules, module, SimpleNamespace(**classes))
        old = pickle.dumps(detectors, protocol=4)
    assert stored_names(old) == set(OLD_NAMES.values())
    expected = load_models(tiny_models)
    assert (parse_models(old).coef == expected.coef).all()
    ovr_digits.save_models(detectors, tmp_path / "models.pkl")
    assert stored_names((tmp_path / "models.pkl").read_bytes()) == {"ovr_digits"}


def test_imports_run_one_way_through_the_wings() -> None:
    """The contracts stand in pyproject.toml, under tool.importlinter."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout


#: Modules that Windows has not.
POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def imported_at_the_top(path: Path) -> set[str]:
    imported = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    return imported


def test_no_module_needs_posix_to_be_imported() -> None:
    modules = sorted((ROOT / "ovr_digits").rglob("*.py"))
    assert [path.name for path in modules if imported_at_the_top(path) & POSIX_ONLY] == []
    assert imported_at_the_top(Path(__file__)) >= {"ast", "pathlib", "pytest", "ovr_digits"}
