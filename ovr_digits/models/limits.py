"""How large features may be that a models.pkl holds, so that no file asks for gigabytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ovr_digits.core.features import Branch, n_positions
from ovr_digits.models.place import ModelFileError

#: Rows and columns of the images that detectors are made for.
IMAGE_SHAPE = (28, 28)
# Voting holds these for a batch of images, in every thread: with four threads and the most of
# all, under 1 GB. The limits are three to ten times what the largest preset needs.
#: The most numbers that a layer may make of one image.
MAX_NUMBERS = 300_000
#: The most features of all branches, products among them.
MAX_FEATURES = 80_000
#: The most numbers in the layers and axes of all branches.
MAX_STORED = 4_000_000
#: The most axes whose coordinates are multiplied with one another.
MAX_LEADING = 256
MAX_VIEWS = 16
MAX_LAYERS = 4
MAX_ANCHORS = 4096
#: Sides of patches, in positions.
PATCH_SIZES = frozenset(range(1, 16, 2))
#: In positions; one window then covers a whole image.
MAX_STRIDE = 28
#: The sharpest comparison of patches; beyond it no two would be alike.
MAX_ALPHA = 1e3


def check_size(branches: Sequence[Branch]) -> None:
    """Raise ModelFileError for features of 28×28 images that no models.pkl may hold.

    Only shapes are looked at.
    """
    for branch in branches:
        side = IMAGE_SHAPE[0]
        for layer in branch.layers:
            n = n_positions(side, layer.patch_size)
            if n * n * sum(layer.anchors.shape) > MAX_NUMBERS:
                raise ModelFileError("a layer of its features needs too much memory")
            side = math.ceil(n / layer.stride)
    check_stored(branches)
    if sum(branch.n_features(IMAGE_SHAPE) for branch in branches) > MAX_FEATURES:
        raise ModelFileError("its features need too much memory")


def check_stored(branches: Sequence[Branch]) -> None:
    """Raise ModelFileError for branches, whole or in the making, that hold too many numbers.

    An array may be in the file once and be used often.
    """
    layers = [layer for branch in branches for layer in branch.layers]
    arrays = [array for layer in layers for array in (layer.anchors, layer.whitener)]
    arrays += [branch.leading.axes for branch in branches if branch.leading is not None]
    if sum(array.size for array in arrays if array is not None) > MAX_STORED:
        raise ModelFileError("its features need too much memory")
