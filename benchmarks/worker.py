"""One contestant in a process of its own: ``python -m benchmarks.worker ACTION FOLDER [JSON]``.

The actions are ``data`` (look at the images), ``train``, ``predict`` (all test images, in a
process that is warm) and ``answer`` (one picture, as quickly as can be). The result is left in
``ACTION.json`` in the folder, because libraries print what they like.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.peers import PEERS

#: Images answered before the clock starts.
_WARM_UP = 100


def main() -> None:
    """Do what the command line says."""
    action, folder = sys.argv[1], Path(sys.argv[2])
    settings = json.loads(sys.argv[3])
    if action == "answer":
        answer(folder, settings)
        return
    data = Data(**settings["data"])
    if action == "data":
        result = look(folder, data)
    elif action == "train":
        result = train(folder, data, settings)
    else:
        result = predict(folder, data, settings)
    (folder / f"{action}.json").write_text(json.dumps(result))


def look(folder: Path, data: Data) -> dict[str, Any]:
    """Sizes and a digest of the images; the first test image is left as a picture."""
    import hashlib

    from PIL import Image

    X, y = data.load("train")
    X_test, y_test = data.load("test")
    digest = hashlib.sha256(b"".join(a.tobytes() for a in (X, y, X_test, y_test)))
    Image.fromarray(X_test[0].reshape(28, 28)).save(folder / "digit.png")
    return {
        "train_samples": len(X),
        "test_samples": len(X_test),
        "digest": digest.hexdigest()[:16],
    }


def train(folder: Path, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
    """Train and save; or say what is missing."""
    entry = PEERS[settings["name"]]
    if (reason := entry.missing()) is not None:
        return {"skipped": reason}
    peer = entry.load()(quick=data.quick)
    cost = peer.train(data, settings["cores"])
    model = folder / "model"
    model.mkdir()
    peer.save(model)
    return {
        "train_wall_seconds": cost.wall,
        "train_cpu_seconds": cost.cpu,
        "peak_bytes": cost.peak_bytes,
        "model_bytes": sum(f.stat().st_size for f in model.rglob("*") if f.is_file()),
        "answer_command": peer.answer_command(model, folder.parent / "digit.png"),
    }


def predict(folder: Path, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
    """Accuracy on the test images, and the time they take once all is loaded."""
    peer = PEERS[settings["name"]].load()(quick=data.quick)
    peer.load(folder / "model")
    X, y = data.load("test")
    peer.predict(X[:_WARM_UP])
    started = time.perf_counter()
    answers = peer.predict(X)
    seconds = time.perf_counter() - started
    errors = int((answers != y).sum())
    return {"errors": errors, "accuracy": 1 - errors / len(y), "predict_seconds": seconds}


def answer(folder: Path, settings: dict[str, Any]) -> None:
    """Load the model and print what is on the picture."""
    import numpy as np
    from PIL import Image

    peer = PEERS[settings["name"]].load()()
    peer.load(folder / "model")
    with Image.open(folder.parent / "digit.png") as picture:
        print(peer.predict(np.asarray(picture).reshape(1, 784))[0])


if __name__ == "__main__":
    main()
