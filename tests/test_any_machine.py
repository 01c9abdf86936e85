"""Other machines, as far as they can be had here: without what only POSIX has, and its ways.

``any_machine/sitecustomize.py`` says what is taken away; every process that a command starts
finds it too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from commandline import EXAMPLES, SEVERAL, assert_one_line, environment, execute

from ovr_digits.files import quoted

HERE = Path(__file__).parent


def as_elsewhere(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(HERE / "any_machine"), str(HERE)])
    return execute(*arguments, folder=folder, PYTHONPATH=path)


@pytest.fixture
def folder(tmp_path):
    """One with a picture, in another folder too, and a correction of it."""
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    for name in ("seven.png", "deep/seven.png"):
        (tmp_path / "scans" / name).write_bytes((EXAMPLES / "seven.png").read_bytes())
    return tmp_path


def test_what_is_hidden_is_hidden_from_the_package_alone(tmp_path):
    looked = """
import os, signal, stat
from pathlib import Path
def seen():
    import os, signal
    try:
        import fcntl
    except ImportError:
        fcntl = None
    return [fcntl, *(hasattr(os, n) for n in ("fork", "sched_getaffinity", "O_DIRECTORY")),
            *(hasattr(signal, n) for n in ("SIGALRM", "pthread_sigmask"))]
there = {"__name__": "ovr_digits.any", "__builtins__": __builtins__}
exec("def seen():" + Path(__file__).read_text().split("def seen():")[1].split("there")[0], there)
assert not any(there["seen"]()), there["seen"]()
if os.name == "posix":
    assert any(seen())
Path("a").write_text("a"), Path("b").write_text("b")
with open("b") as file:
    for refused in (lambda: os.replace("a", "b"), lambda: Path("b").unlink(), lambda: open(".")):
        try:
            refused()
        except PermissionError:
            continue
        raise AssertionError("allowed")
os.replace("a", "b")
"""
    (tmp_path / "looked.py").write_text(looked)
    done = as_elsewhere("looked.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr


KEEPING = """
from ovr_digits import load_models
from ovr_digits.data.corrections import keep_correction
from ovr_digits.picture.answers import answer_picture
models = load_models()
for _ in range(2):
    _, vote = answer_picture(models, "scans/seven.png")
    keep_correction("corrections", "scans/seven.png", 7, vote, 10)
"""


def test_the_main_commands_do_their_work(folder):
    """Twice where a file of theirs is replaced, which is the harder part."""
    kept = as_elsewhere("-c", KEEPING, folder=folder)
    assert kept.returncode == 0, kept.stderr
    commands = [
        "predict scans --output a.csv --save votes.png",
        "read scans --output a.csv --review unsure --save found.png",
        "train --dataset digits --preset fast --forms 0 --negatives 0.1 --limit 150 "
        "--output m.pkl --log log.jsonl --plot curves.png --epochs 2",
        "adapt corrections --models m.pkl --output m.pkl --accept-loss",
        "test --dataset digits --models m.pkl --count 3",
        "evaluate --dataset digits --report report",
        "inspect m.pkl",
        "compare m.pkl m.pkl --dataset digits",
        "data --dataset digits",
        "data summary --dataset digits --save means.png",
        "predict --batch scans --models m.pkl --output b.parquet --jobs 1",
        "predict --batch scans --models m.pkl --output b.parquet --jobs 2",
    ]
    each = json.dumps([({}, command.split()) for command in commands])
    done = as_elsewhere("-c", f"import few_features\n{SEVERAL}", each, folder=folder)
    ends = [line for line in done.stdout.splitlines() if line.startswith("status ")]
    assert ends == ["status 0"] * len(commands), done.stdout + done.stderr
    assert "learnt 1 correction" in done.stdout
    left = [path.name for path in folder.rglob("*") if path.suffix in (".part", ".partial")]
    assert left == []


def test_the_service_starts_answers_and_ends(folder):
    pytest.importorskip("fastapi", reason="needs the extra web")
    server = subprocess.Popen(
        [sys.executable, "-m", "ovr_digits", "serve", "--port", "0", "--workers", "1", "--quiet"],
        cwd=folder,
        env=environment(folder, PYTHONPATH=str(HERE / "any_machine")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stuck = threading.Timer(300, server.kill)
    stuck.start()
    try:
        line = server.stdout.readline()
        assert "http://127.0.0.1:" in line, server.stderr.read()
        url = line.split()[1] + "api/predict"
        picture = (folder / "scans" / "seven.png").read_bytes()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, picture, timeout=120) as reply:
            assert json.load(reply)["digit"] == 7
        server.send_signal(signal.SIGTERM)
        rest, errors = server.communicate()
        assert (rest, errors) == ("", "")
    finally:
        server.kill()
        server.communicate()
        stuck.cancel()


def test_a_folder_where_a_file_is_due_is_called_so(folder):
    command = ["-m", "ovr_digits", "predict", "scans/seven.png", "--models", "scans"]
    done = as_elsewhere(*command, folder=folder)
    assert_one_line(done, "scans: this is a folder, not a file")


def test_hints_quote_names_as_the_shell_of_the_system_does(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert [quoted(name) for name in ("a.png", "a b.png")] == ["a.png", "'a b.png'"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert [quoted(name) for name in ("a.png", "a b.png")] == ["a.png", '"a b.png"']
