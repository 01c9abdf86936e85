"""Ten detectors as an ONNX model, from grey levels to the vote, for programs in any language."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.features import Branch, KernelLayer, n_positions, pooling_matrix
from ovr_digits.core.views import (
    BOX_HEIGHT_CHANGE,
    BOX_WIDTH_CHANGE,
    HEIGHT_CHANGE,
    LEAST_VARIANCE,
    VIEWS,
    WIDTH_CHANGE,
    View,
)
from ovr_digits.extras import missing
from ovr_digits.models.limits import IMAGE_SHAPE
from ovr_digits.version import __version__

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    raise missing("onnx", "ONNX") from None

#: The standard operators that are used, and the format of the file that goes with them.
OPSET, _IR_VERSION = 17, 8
#: Added to sums and norms, as ``core.features`` and ``core.views`` do.
_TINY = 1e-6


def onnx_bytes(models: DetectorArrays) -> bytes:
    """The content of an ONNX file of ten detectors.

    Its input ``images`` is uint8 (n, 784); its outputs are ``scores`` and ``votes``, float32
    (n, 10), ``fired``, bool (n, 10), and ``digit``, int64 (n,). Provenance is in its metadata.
    """
    graph = _Graph()
    images = graph.divide(graph.add_node("Cast", "images", to=TensorProto.FLOAT), 255)
    images = graph.reshape(images, (-1, 1, *IMAGE_SHAPE))
    scores, first = graph.constant(models.intercept.astype(np.float32)), 0
    for branch in models.branches:
        pooled = _pooled_features(graph, images, branch)
        parts = [pooled]
        if branch.leading is not None:
            parts.append(_products(graph, pooled, branch))
        for part, n in zip(parts, (branch.n_pooled(IMAGE_SHAPE), branch.n_products), strict=False):
            weights = np.ascontiguousarray(models.coef[:, first : first + n].T)
            scores, first = graph.add(scores, graph.matmul(part, weights)), first + n
    graph.add_node("Identity", scores, output="scores")
    graph.add_node("Sigmoid", scores, output="votes")
    graph.add_node("Greater", scores, graph.constant(np.zeros(1, np.float32)), output="fired")
    graph.add_node("ArgMax", scores, output="digit", axis=1, keepdims=0)
    return graph.model(models).SerializeToString(deterministic=True)


class _Graph:
    """Nodes and constants in the making: every method adds nodes and gives their output's name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, onnx.TensorProto] = {}

    def add_node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Array) -> str:
        """Equal constants are stored once."""
        tensor = numpy_helper.from_array(value)
        stored = self._constants.setdefault(tensor.SerializeToString(deterministic=True), tensor)
        stored.name = stored.name or f"constant_{len(self._constants)}"
        return stored.name

    def _with(self, kind: str, a: str, b: str | Array | float) -> str:
        b = b if isinstance(b, str) else self.constant(np.asarray(b, np.float32))
        return self.add_node(kind, a, b)

    def add(self, a: str, b: str | Array | float) -> str:
        return self._with("Add", a, b)

    def subtract(self, a: str, b: str | Array | float) -> str:
        return self._with("Sub", a, b)

    def multiply(self, a: str, b: str | Array | float) -> str:
        return self._with("Mul", a, b)

    def divide(self, a: str, b: str | Array | float) -> str:
        return self._with("Div", a, b)

    def matmul(self, a: str, b: str | Array) -> str:
        return self._with("MatMul", a, b)

    def at_least(self, a: str, b: str | Array | float) -> str:
        return self._with("Max", a, b)

    def clip(self, a: str, low: float, high: float) -> str:
        return self._with("Min", self.at_least(a, low), high)

    def reshape(self, a: str, shape: Sequence[int]) -> str:
        return self.add_node("Reshape", a, self.constant(np.array(shape, np.int64)))

    def sum(self, a: str, axis: int) -> str:
        return self.add_node("ReduceSum", a, self.constant(np.array([axis])), keepdims=1)

    def model(self, models: DetectorArrays) -> onnx.ModelProto:
        """The whole, checked."""

        def described(name: str, kind: int, *shape: Any) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, kind, ["n", *shape])

        graph = helper.make_graph(
            self._nodes,
            "ovr-digits",
            [described("images", TensorProto.UINT8, math.prod(IMAGE_SHAPE))],
            [
                described("scores", TensorProto.FLOAT, len(models.coef)),
                described("votes", TensorProto.FLOAT, len(models.coef)),
                described("fired", TensorProto.BOOL, len(models.coef)),
                described("digit", TensorProto.INT64),
            ],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        model.producer_name, model.producer_version = "ovr-digits", __version__
        model.doc_string = (
            "Ten detectors of handwritten digits. images: grey levels, ink 255 and paper 0, of "
            "28 by 28 pixels, row by row, in the form of MNIST. scores: log-odds that the picture "
            "is the digit; votes: their probability; fired: which detectors say yes; digit: the "
            "highest score."
        )
        helper.set_model_props(model, {"provenance": json.dumps(dict(models.provenance))})
        onnx.checker.check_model(model)
        return model


# --- features: maps are (n, channels, h, w) --------------------------------------------------


def _pooled_features(graph: _Graph, images: str, branch: Branch) -> str:
    """The pooled maps of a branch's last layer, flattened as ``core.features`` does."""
    maps, (h, w) = _seen(graph, images, VIEWS[branch.view]), IMAGE_SHAPE
    for layer in branch.layers:
        responses = _responses(graph, maps, layer, (h, w))
        h, w = (n_positions(side, layer.patch_size) for side in (h, w))
        rows, columns = pooling_matrix(h, layer.stride), pooling_matrix(w, layer.stride)
        maps = graph.add_node("MatMul", graph.constant(rows), graph.matmul(responses, columns.T))
        h, w = len(rows), len(columns)
        if layer.whitener is not None:
            maps = graph.add_node(
                "Conv", maps, graph.constant(layer.whitener.T[:, :, None, None].copy())
            )
    channels_last = graph.add_node("Transpose", maps, perm=[0, 2, 3, 1])
    return graph.reshape(channels_last, (-1, branch.n_pooled(IMAGE_SHAPE)))


def _responses(graph: _Graph, maps: str, layer: KernelLayer, shape: tuple[int, int]) -> str:
    """‖x‖ exp(alpha (⟨x/‖x‖, z⟩ - 1)) for every patch x and anchor z."""
    size = layer.patch_size
    missing = [max(size - side, 0) for side in shape]  # an axis shorter than the patch is widened
    pads = [gap // 2 for gap in missing] + [gap - gap // 2 for gap in missing]
    anchors = layer.anchors.reshape(len(layer.anchors), size, size, -1).transpose(0, 3, 1, 2)

    def over_patches(maps: str, weights: Array) -> str:
        return graph.add_node("Conv", maps, graph.constant(weights.copy()), pads=pads)

    everywhere = np.ones_like(anchors[:1])
    squares = over_patches(graph.multiply(maps, maps), everywhere)
    if layer.centred:
        anchors = anchors - anchors.mean(axis=(1, 2, 3), keepdims=True)
        sums = over_patches(maps, everywhere)
        mean_squares = graph.divide(graph.multiply(sums, sums), anchors[0].size)
        least = graph.multiply(squares, _TINY)
        squares = graph.at_least(graph.subtract(squares, mean_squares), least)
    norms = graph.add(graph.add_node("Sqrt", squares), _TINY)
    cosines = graph.divide(over_patches(maps, anchors), norms)
    exponents = graph.multiply(graph.subtract(cosines, 1), layer.alpha)
    return graph.multiply(graph.add_node("Exp", exponents), norms)


def _products(graph: _Graph, pooled: str, branch: Branch) -> str:
    """Products of every two coordinates along the leading axes, as ``pair_products`` gives them."""
    assert branch.leading is not None
    offset = branch.leading.offset
    u = graph.subtract(graph.matmul(pooled, branch.leading.axes.astype(np.float32)), offset)
    first, second = (graph.constant(index) for index in np.triu_indices(len(offset)))
    return graph.multiply(
        graph.add_node("Gather", u, first, axis=1), graph.add_node("Gather", u, second, axis=1)
    )


# --- views, as in core.views -----------------------------------------------------------------


def _seen(graph: _Graph, images: str, view: View) -> str:
    if view.deskewed:
        images = _normalised(graph, images, view)
    if view.box is not None:
        rows = _stretched(graph, images, 2, view.box[0], BOX_HEIGHT_CHANGE)
        columns = _stretched(graph, images, 3, view.box[1], BOX_WIDTH_CHANGE)
        images = _sampled(graph, images, rows, columns)
    return images


def _sampled(graph: _Graph, images: str, rows: str, columns: str) -> str:
    """Images read between their pixels, where rows and columns (n, 1, h, w) say."""
    grid = []
    for places, side in ((columns, IMAGE_SHAPE[1]), (rows, IMAGE_SHAPE[0])):
        place = graph.subtract(graph.multiply(places, 2 / (side - 1)), 1)
        whole = graph.add(place, np.zeros(IMAGE_SHAPE, np.float32))
        grid.append(graph.reshape(whole, (-1, *IMAGE_SHAPE, 1)))
    both = graph.add_node("Concat", *grid, axis=3)
    return graph.add_node("GridSample", images, both, mode="bilinear", align_corners=1)


def _normalised(graph: _Graph, images: str, view: View) -> str:
    """``views.normalise_moments``; all but the images is (n, 1, h, w) with sides of 1."""
    row = np.arange(IMAGE_SHAPE[0], dtype=np.float32)[:, None]
    column = np.arange(IMAGE_SHAPE[1], dtype=np.float32)
    mass = graph.add(graph.sum(graph.sum(images, 2), 3), _TINY)

    def mean(of: Array) -> str:
        return graph.divide(graph.sum(graph.sum(graph.multiply(images, of), 2), 3), mass)

    centre_row, centre_column = mean(row), mean(column)
    row_variance = graph.at_least(
        graph.subtract(mean(row**2), graph.multiply(centre_row, centre_row)), LEAST_VARIANCE
    )
    column_variance = graph.subtract(mean(column**2), graph.multiply(centre_column, centre_column))
    covariance = graph.subtract(mean(row * column), graph.multiply(centre_row, centre_column))
    slant = graph.clip(graph.divide(covariance, row_variance), -1, 1)

    down = graph.subtract(graph.constant(row), centre_row)
    across = graph.subtract(graph.constant(column), centre_column)
    if view.height is not None:
        spread = graph.divide(graph.add_node("Sqrt", row_variance), view.height)
        down = graph.multiply(down, graph.clip(spread, *HEIGHT_CHANGE))
    if view.width is not None:
        upright = graph.subtract(column_variance, graph.multiply(slant, covariance))
        spread = graph.add_node("Sqrt", graph.at_least(upright, LEAST_VARIANCE))
        across = graph.multiply(across, graph.clip(graph.divide(spread, view.width), *WIDTH_CHANGE))
    across = graph.add(across, centre_column)
    return _sampled(
        graph,
        images,
        graph.add(down, centre_row),
        graph.add(across, graph.multiply(slant, down)),
    )


def _stretched(
    graph: _Graph, images: str, axis: int, length: float, change: tuple[float, float]
) -> str:
    """Where each place along an axis is read, so that the ink gets a length; see ``fill_box``."""
    darkest = graph.add_node("ReduceMax", images, axes=[5 - axis], keepdims=1)
    inked = graph.add_node("Greater", darkest, graph.constant(np.full(1, 0.5, np.float32)))
    inked = graph.add_node("Cast", inked, to=TensorProto.FLOAT)
    ends = []
    for last in (0, 1):
        end = graph.add_node("ArgMax", inked, axis=axis, select_last_index=last)
        ends.append(graph.add_node("Cast", end, to=TensorProto.FLOAT))
    extent = graph.add(graph.subtract(ends[1], ends[0]), 1)
    factor = graph.clip(graph.divide(extent, length), *change)
    size = IMAGE_SHAPE[axis - 2]
    places = np.arange(size, dtype=np.float32) - (size - 1) / 2
    spread = graph.multiply(factor, places[:, None] if axis == 2 else places)
    return graph.add(graph.divide(graph.add(*ends), 2), spread)
