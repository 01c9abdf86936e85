"""The way to pyarrow, which only Parquet needs."""

import socket

from ovr_digits.extras import missing

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise missing("parquet", f"Parquet, on {socket.gethostname()},") from None

__all__ = ["pa", "pc", "pq"]
