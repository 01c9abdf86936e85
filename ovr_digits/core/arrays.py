"""Names for the kinds of arrays that functions take and give."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Any numbers: grey levels as they come.
Array = NDArray[Any]
#: Images as they are stored: ink is 255, paper is 0.
Grey = NDArray[np.uint8]
#: Images and maps: float32, or float64 throughout where the images came in double precision.
Floats = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
#: Counts and places.
Integers = NDArray[np.int64]
#: Rows of another array.
Indices = NDArray[np.intp]
