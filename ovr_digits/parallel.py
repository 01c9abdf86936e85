"""One function over batches of images on all cores, one BLAS thread to each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array

#: Images that a worker takes at a time: enough to outweigh the cost of handing them out.
CHUNK = 256
#: Blocks that the rows of a product are cut into; no more threads than these work on it.
_BLOCKS = 4


def map_batches(
    function: Callable[[Array], Array],
    X: Array,
    n_jobs: int | None = None,
    chunk: int = CHUNK,
) -> Iterator[tuple[slice, Array]]:
    """Apply ``function`` to consecutive rows of X, in threads of one BLAS thread each.

    NumPy releases the interpreter lock in all that is heavy here, so threads
    share the images without a copy.

    Parameters
    ----------
    function : callable
        Takes (m, d) and returns an array of m rows.
    X : (n, d) array
    n_jobs : int, optional
        Threads; -1 is one for each core. ``None`` stays in this thread and
        leaves BLAS as it is.
    chunk : int
        Rows a call.

    Yields
    ------
    rows : slice
        Which rows of X the result belongs to, in order.
    result : array
    """
    slices = [slice(i, min(i + chunk, len(X))) for i in range(0, len(X), chunk)]
    if n_jobs is None:
        for rows in slices:
            yield rows, function(X[rows])
        return
    with threadpool_limits(1, user_api="blas"):
        results = Parallel(n_jobs=resolve_jobs(n_jobs), prefer="threads", return_as="generator")(
            delayed(function)(X[rows]) for rows in slices
        )
        yield from zip(slices, results, strict=True)


def matmul(a: Array, b: Array, n_jobs: int | None = None) -> Array:
    """a (m, k) @ b (k, n), blocks of rows in threads of one BLAS thread each.

    How the rows are cut does not depend on ``n_jobs``, and so neither does the last bit of
    the result. BLAS's own threads wait for one another by spinning, which on a busy machine,
    or in a container with less than its cores, can take ten times as long.
    """
    size = -(-len(a) // _BLOCKS)
    with threadpool_limits(1, user_api="blas"):
        blocks = Parallel(n_jobs=resolve_jobs(n_jobs), prefer="threads")(
            delayed(np.matmul)(a[start : start + size], b) for start in range(0, len(a), size)
        )
    return np.concatenate(blocks)


def resolve_jobs(n_jobs: int | None) -> int:
    """The number of workers that ``n_jobs`` asks for: -1 is every core, ``None`` is one."""
    return int(effective_n_jobs(n_jobs))


def collect(
    function: Callable[[Array], Array],
    X: Array,
    n_jobs: int | None = None,
    advance: Callable[[int], None] = lambda amount: None,
) -> Array:
    """``map_batches``, its results put together; ``advance`` is told of every finished batch."""
    whole: Array | None = None
    for rows, part in map_batches(function, X, n_jobs):
        if whole is None:
            whole = np.empty((len(X), *part.shape[1:]), part.dtype)
        whole[rows] = part
        advance(rows.stop - rows.start)
    if whole is None:
        raise ValueError("no rows to work on")
    return whole
