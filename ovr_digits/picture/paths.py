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
    between = np.full((2, last + 1, last + 1), -np.inf)
    np.maximum.at(between[0], (starts, ends), worths)
    np.maximum.at(between[1], (starts[is_known], ends[is_known]), worths[is_known])
    before = _most_worth(between)
    after = _most_worth(between[:1, ::-1, ::-1].swapaxes(1, 2))[0, ::-1]
    known = before[1, last]
    known[1] = max(known[1], whole)
    if lead is None:
        settled = known
    else:
        best = int(known.argmax())
        second = np.delete(known, best).max()
        settled = np.full(last + 1, max(second, known[best] - lead))
        settled[best] = known[best]
    # Of the ways through a piece that are worth more than what is settled, the most worth.
    through = np.full(len(worths), -np.inf)
    for n in np.flatnonzero(before[0, last] > settled).tolist():
        worth = worths + (before[0, starts, :n] + after[ends, :n][:, ::-1]).max(axis=1)
        np.maximum(through, worth, out=through, where=worth > settled[n])
    found = np.flatnonzero((through > -np.inf) & ~is_known)
    return found[np.argsort(-through[found], kind="stable")]


def _most_worth(between: Float64) -> Float64:
    """The most worth of ways from the first edge to each, by their number of pieces.

    For the worth (k, edges, edges) of the best piece from an edge to another: (k, edges, edges).
    """
    most = np.full_like(between, -np.inf)
    most[:, 0, 0] = 0
    for edge in range(1, between.shape[1]):
        ways = most[:, :edge, :-1] + between[:, :edge, edge, None]
        most[:, edge, 1:] = ways.max(axis=1)
    return most
