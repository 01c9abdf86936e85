"""Finds which pieces of a mark can be on the likeliest way through it, before they are voted on."""

from __future__ import annotations

import numpy as np

from ovr_digits.core.arrays import Bools, Float64, Integers


def pieces_that_matter(
    edges: Integers,
    worths: Float64,
    is_known: Bools,
    whole: float,
    lead: float | None,
) -> Integers:
    """Which pieces not yet voted on may change the answer, the most promising first.

    Parameters
    ----------
    edges : (n, 2) int
        Between which edges of the mark each piece lies, from left to right: the first edge is 0,
        and the last the largest.
    worths : (n,) float
        Of each piece, where it is known; else what it is worth at most.
    is_known : (n,) bool
    whole : float
        The worth of the mark as one piece.
    lead : float or None
        The likeliest way is asked for, and by how much its worth is above that of any other number
        of pieces, as far as it is less than this; if None, the likeliest of each number of them.

    Returns
    -------
    (m,) int
        Numbers of pieces; none where all that is asked for is settled.
    """
    starts, ends = edges.T
    last = int(ends.max())
    both = np.stack([worths, np.where(is_known, worths, -np.inf)])
    before = _most_worth(starts, ends, both, last)
    after = _most_worth(last - ends, last - starts, both[:1], last)[0]
    known = before[1, last]
    known[1] = max(known[1], whole)
    # Of the ways of so many pieces that lead through a piece, the most worth.
    through = np.full((len(starts), last + 1), -np.inf)
    for n in range(last):
        way = before[0, starts, n][:, None] + after[last - ends, : last - n]
        np.maximum(through[:, n + 1 :], way, out=through[:, n + 1 :])
    through += worths[:, None]
    if lead is None:
        may_matter = (through > known).any(axis=1)
    else:
        best = int(known.argmax())
        others = np.arange(last + 1) != best
        second = max(known[others].max(initial=-np.inf), known[best] - lead)
        may_matter = (through[:, best] > known[best]) | (through[:, others] > second).any(axis=1)
    found = np.flatnonzero(may_matter & ~is_known)
    return found[np.argsort(-through[found].max(axis=1), kind="stable")]


def _most_worth(starts: Integers, ends: Integers, worths: Float64, last: int) -> Float64:
    """The most worth of ways from the first edge to each, by their number of pieces.

    For worths (k, n) of n pieces: (k, last + 1, last + 1).
    """
    most = np.full((len(worths), last + 1, last + 1), -np.inf)
    most[:, 0, 0] = 0
    for edge in range(1, last + 1):
        into = np.flatnonzero(ends == edge)
        if len(into):
            ways = most[:, starts[into], :-1] + worths[:, into, None]
            most[:, edge, 1:] = ways.max(axis=1)
    return most
