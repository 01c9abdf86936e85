"""The page in one file that needs no service: its modules, its style, and ten detectors."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np

from ovr_digits.core.arrays import Float64
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.models.packed import pack
from ovr_digits.version import __version__
from ovr_digits.web.examples import EXAMPLES, portrait

_STATIC = Path(__file__).with_name("static")
#: The module that stands in for another: what the page asks, in place of the service.
_STAND_INS = {"client.js": "local.js"}
_IMPORT = re.compile(r'^import (?:\* as (\w+)|(\{[^}]*\})) from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
#: Nothing may be loaded, so that no request leaves the page.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "worker-src blob:; img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def page_bytes(models: DetectorArrays) -> bytes:
    """The content of an HTML file that reads drawings with ten detectors, with no network."""
    description, weights = pack(models)
    about = {**models.provenance, "version": __version__, "digest": models.digest}
    portraits = [_small(portrait(models, digit)) for digit in range(len(models.coef))]
    told = {"description": description, "about": about, "portraits": portraits}
    held = json.dumps(told).replace("<", "\\u003c")
    icon = base64.b64encode((_STATIC / "favicon.svg").read_bytes()).decode()
    page = re.sub(r' *<link rel="(?:manifest|modulepreload)".*\n', "", _text("index.html"))
    parts = {
        '<meta charset="utf-8">': '<meta charset="utf-8">\n    '
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        "/static/favicon.svg": f"data:image/svg+xml;base64,{icon}",
        **{
            f'<link rel="stylesheet" href="/static/{name}">': f"<style>\n{_text(name)}</style>"
            for name in ("style.css", "try.css")
        },
        '    <script type="module" src="/static/main.js"></script>\n': "",
        # The weights last: until they are read, which takes a while, the page is there already.
        "  </body>": f'<script type="application/json" id="description">{held}</script>\n'
        f'<script type="application/json" id="examples">{_text(EXAMPLES.name)}</script>\n'
        f'<script type="text/plain" id="worker">\n{bundled("worker.js")}</script>\n'
        f"<script>(async () => {{\n{bundled('main.js')}}})();</script>\n"
        f'<script type="text/plain" id="weights">{base64.b64encode(weights).decode()}</script>\n'
        "  </body>",
    }
    for place, text in parts.items():
        before, found, after = page.partition(place)
        if not found:
            raise ValueError(f"index.html has no {place}")
        page = before + text + after
    return page.encode()


def _small(effects: Float64) -> str:
    """Effects as signed bytes: all that is seen of them."""
    strongest = max(float(np.abs(effects).max()), 1e-9)
    return base64.b64encode(np.rint(127 * effects / strongest).astype(np.int8).tobytes()).decode()


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def bundled(main: str) -> str:
    """A module and all that it imports, as one script that needs none of the files."""
    scripts: dict[str, str] = {}

    def imported(match: re.Match[str]) -> str:
        name = _STAND_INS.get(match[3], match[3])
        if name not in scripts:
            scripts[name] = wrapped(name)
        return f"const {match[1] or match[2]} = {variable(name)};\n"

    def variable(name: str) -> str:
        return f"${name.removesuffix('.js')}"

    def wrapped(name: str) -> str:
        text = _text(name)
        body = _EXPORT.sub("", _IMPORT.sub(imported, text))
        exports = ", ".join(_EXPORT.findall(text))
        return f"const {variable(name)} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"

    body = _EXPORT.sub("", _IMPORT.sub(imported, _text(main)))
    return "".join(['"use strict";\n', *scripts.values(), body])
