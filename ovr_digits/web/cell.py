"""The page's paper in a cell of a notebook: what is drawn there is read here, in the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ovr_digits.api import predict
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.extras import missing
from ovr_digits.picture.answers import DigitAnswer
from ovr_digits.web.page_file import bundled

try:
    from anywidget import AnyWidget
    from traitlets import Instance
except ImportError:
    raise missing("notebook", "widget()") from None


class DigitWidget(AnyWidget):
    """See ``ovr_digits.widget``."""

    _esm = bundled("widget.js")
    _css = Path(__file__).with_name("static") / "widget.css"

    answer = Instance(DigitAnswer, allow_none=True, help="what the drawing was last read as")

    def __init__(self, models: DetectorArrays) -> None:
        super().__init__()
        self._models = models
        self.on_msg(self._read)

    def _read(self, widget: Any, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        """Read a drawing, a PNG, or take note that the paper is empty; and tell the page."""
        self.answer = (
            predict(bytes(buffers[0]), models=self._models, ground="dark ink") if buffers else None
        )
        html = self.answer._repr_html_() if self.answer else ""
        self.send({"id": content["id"], "html": html})
