"""The way to pyarrow, which only Parquet needs."""

import socket

from ovr_digits.errors import DigitsError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise DigitsError(
        f"Parquet needs pyarrow, which is not installed on {socket.gethostname()}: "
        'pip install "ovr-digits[parquet]"'
    ) from None

__all__ = ["pa", "pc", "pq"]
