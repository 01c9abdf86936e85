"""Parts of marks that touch: what need not be voted on is left out, and the answer is the same."""

from __future__ import annotations

import numpy as np
import pytest

from ovr_digits.core.detectors import PIECE_CLASSES
from ovr_digits.core.vote import count_votes
from ovr_digits.data.splits import load_split
from ovr_digits.learn.pieces import draw_pieces
from ovr_digits.picture.certainty import features
from ovr_digits.picture.paths import pieces_that_matter
from ovr_digits.picture.pieces import _MOST_TEN, Piece
from ovr_digits.picture.touching import _LEAD

LAST = 8


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces between edges of a mark, what each is worth, and a bound to that."""
    pairs = [(i, j) for i in range(LAST) for j in range(i + 1, min(i + 4, LAST) + 1)]
    edges = np.array(pairs)[np.sort(rng.permutation(len(pairs))[: 3 * len(pairs) // 4])]
    edges = np.concatenate([edges, [(0, 2), (2, LAST)]])
    worths = -rng.exponential(2.0, len(edges))
    return edges, worths, worths + rng.exponential(2.0, len(edges))


def best_ways(edges: np.ndarray, worths: np.ndarray) -> dict[int, float]:
    """The most worth of all ways from the first edge to the last, by their number of pieces."""
    best: dict[int, float] = {}
    ways = [(0, 0, 0.0)]
    while ways:
        edge, n, worth = ways.pop()
        if edge == LAST:
            best[n] = max(best.get(n, -np.inf), worth)
        for k in np.flatnonzero(edges[:, 0] == edge):
            ways.append((int(edges[k, 1]), n + 1, worth + worths[k]))
    return best


@pytest.mark.parametrize("lead", [None, 0.5, 3.0])
def test_pieces_that_are_left_out_change_no_answer(lead: float | None) -> None:
    rng = np.random.default_rng(0)
    n_asked = n_all = 0
    for _ in range(60):
        edges, worths, at_most = drawn(rng)
        known = np.zeros(len(edges), bool)
        whole = float(-rng.exponential(10.0))
        while len(some := pieces_that_matter(edges, at_most, known, whole, lead)):
            assert not known[some].any()
            known[some[:3]] = True
            at_most[some[:3]] = worths[some[:3]]
        wanted, found = best_ways(edges, worths), best_ways(edges[known], worths[known])
        for ways in (wanted, found):
            ways[1] = max(ways.get(1, -np.inf), whole)
        n_asked, n_all = n_asked + known.sum(), n_all + len(known)
        if lead is None:
            assert found == pytest.approx(wanted)
            continue
        *_, second, first = sorted(wanted.values())
        assert max(found.values()) == pytest.approx(first)
        found.pop(max(found, key=lambda n: found[n]))
        led = first - max(found.values(), default=-np.inf)
        assert min(led, lead) == pytest.approx(min(first - second, lead))
    assert n_asked < (0.95 if lead is None else 0.8) * n_all


def test_no_score_makes_a_piece_worth_more_than_its_bounds() -> None:
    rng = np.random.default_rng(0)
    for scores, pieces in zip(
        rng.normal(0, 12, (400, 10)), rng.normal(0, 12, (400, len(PIECE_CLASSES))), strict=True
    ):
        height, faults = rng.uniform(0.4, 1.3), rng.uniform(0, 2)
        ink = np.ones((4, 4), np.float32)
        piece = Piece(0, 1, (0, 0, 4, 4), ink, None, height, faults)
        scores = np.minimum(scores, _MOST_TEN)
        worth = max(piece.worth(scores.tolist(), pieces), piece.worth_as_symbol(pieces))
        assert worth <= piece.worth_at_most(pieces) <= piece.most_worth


def test_a_lead_beyond_what_is_looked_at_tells_no_more() -> None:
    votes = count_votes(np.eye(10)[:2] * 20 - 10)
    at_bound, beyond = (features(votes, [lead, lead], [], 0) for lead in (_LEAD, np.inf))
    np.testing.assert_array_equal(at_bound, beyond)


def test_pieces_are_labelled_by_what_they_hold_and_the_same_with_any_number_of_processes() -> None:
    split = load_split("digits", "train")
    X, y = split.X[:200], split.y[:200].astype(int)
    images, classes = draw_pieces(X, y, 12, seed=3, n_jobs=1)
    again, _ = draw_pieces(X, y, 12, seed=3, n_jobs=2)
    np.testing.assert_array_equal(images, again)
    assert images.shape == (len(classes), 784)
    assert set(classes) > {PIECE_CLASSES.index("none")}


def test_detectors_of_pieces_tell_a_digit_from_its_halves(shipped_models) -> None:
    split = load_split("digits", "test")
    halves = split.X.reshape(-1, 28, 28).copy()
    halves[:, :, 14:] = 0
    none = PIECE_CLASSES.index("none")
    whole = [
        (shipped_models.pieces.scores(X[::5])[:, none] > 0).mean()
        for X in (split.X, halves.reshape(-1, 784))
    ]
    assert whole[0] < 0.2
    assert whole[1] > 0.5
