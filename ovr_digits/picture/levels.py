"""NumPy arrays as pictures: what their shapes and levels mean."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Array
from ovr_digits.errors import DigitsError
from ovr_digits.picture.decoding import MAX_PIXELS, in_range, too_large

_SHAPES = "(h, w), or (h, w, 3) or (h, w, 4) with colours, red first"
#: What a row of samples has, in pixels.
_SAMPLE = 784


def from_array(array: Array) -> Image.Image:
    """Make a picture of levels, as a file of the same levels would be opened.

    Parameters
    ----------
    array : (h, w), (h, w, 3) or (h, w, 4)
        Integers are 0 to 255 or, where one is over 255, 0 to 65535; floating levels are 0 to 1 or,
        where one is over 1, as integers are; bool is black and white.

    Raises
    ------
    DigitsError
        Where it has another shape or dtype, holds nothing, or levels that cannot be meant.
    """
    array = np.asarray(array)
    if array.shape == (_SAMPLE,) or array.shape[1:] == (_SAMPLE,):
        raise DigitsError(
            f"an array of shape {array.shape} holds samples of 28×28, not a picture: give it to "
            "load_models().decision_function; a picture 784 wide is of shape (h, 784, 1)"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)):
        raise DigitsError(f"an array of shape {array.shape} is no picture: it takes {_SHAPES}")
    if not array.size:
        raise DigitsError(f"an array of shape {array.shape} holds no pixels")
    height, width = array.shape[:2]
    if height * width > MAX_PIXELS:
        raise too_large(height * width, MAX_PIXELS)
    kind = array.dtype.kind
    if kind == "b":
        return Image.fromarray(array * np.uint8(255))
    if kind == "f":
        with np.errstate(over="ignore"):  # what is too large for it is told as infinite
            array = array.astype(np.float32)
        if array.ndim == 2:
            return Image.fromarray(array)
        return Image.fromarray(np.rint(255 * in_range(array)).astype(np.uint8))
    if kind not in "ui":
        raise DigitsError(
            f"an array of dtype {array.dtype} is no picture: it takes integers, floats or bool"
        )
    if array.dtype == np.uint8:
        return Image.fromarray(array)
    least, most = int(array.min()), int(array.max())
    if least < 0 or most > 65535:
        raise DigitsError(
            f"an array of levels from {least} to {most} is no picture: integers are "
            "0 to 255 or 0 to 65535"
        )
    if array.ndim == 2:
        return Image.fromarray(array.astype(np.uint16))
    return Image.fromarray((array >> 8 if most > 255 else array).astype(np.uint8))
