"""The vote: ten scores in, one answer out, with a verdict on how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Array, Float64

Verdict = Literal["sure", "conflict", "none"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

#: Log-odds to each side of the threshold that pictures of scores have room for. A digit's own
#: detector scores about 14 in the median, the others about -10.
SCORE_SPAN = 20.0


@dataclass(frozen=True)
class Vote:
    """What ten detectors say of one picture.

    Attributes
    ----------
    digit : int
        The digit with the highest score.
    confidence : float in 0..1
        The vote for that digit.
    verdict : "sure", "conflict" or "none"
        Exactly one detector fired, several did, or none did.
    fired : tuple of int
        The digits whose detector said True, ascending.
    votes : tuple of ten floats in 0..1
        Each detector's own probability; they need not sum to 1.
    scores : tuple of ten floats
        Each detector's log-odds, positive where it says True.

    Examples
    --------
    >>> import numpy as np
    >>> vote = count_votes(np.array([[-4.0] * 9 + [4.0]]))[0]
    >>> isinstance(vote, Vote), vote.digit, vote.fired, round(vote.confidence, 3)
    (True, 9, (9,), 0.982)
    """

    digit: int
    confidence: float
    verdict: Verdict
    fired: tuple[int, ...]
    votes: tuple[float, ...]
    scores: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, with probabilities to six places."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 6),
            "verdict": self.verdict,
            "fired": list(self.fired),
            "votes": [round(v, 6) for v in self.votes],
            "scores": [round(s, 6) for s in self.scores],
        }


class Voted:
    """What ten detectors voted on: it says what its ``vote`` says, and as an int it is the digit.

    ``int`` of it raises ValueError where no detector recognised a digit.
    """

    vote: Vote

    @property
    def digit(self) -> int:
        """The digit with the highest score; the best guess where the verdict is "none"."""
        return self.vote.digit

    @property
    def confidence(self) -> float:
        """The vote for that digit, 0..1."""
        return self.vote.confidence

    @property
    def verdict(self) -> Verdict:
        """Whether exactly one detector fired ("sure"), several ("conflict") or "none"."""
        return self.vote.verdict

    @property
    def fired(self) -> tuple[int, ...]:
        """The digits whose detector said True, ascending."""
        return self.vote.fired

    @property
    def votes(self) -> tuple[float, ...]:
        """Ten, in 0..1: each detector's own probability."""
        return self.vote.votes

    @property
    def scores(self) -> tuple[float, ...]:
        """Ten log-odds, positive where a detector says True."""
        return self.vote.scores

    def __int__(self) -> int:
        if self.verdict == "none":
            raise ValueError(
                f"no detector recognised a digit; the best guess, {self.digit}, is in .digit"
            )
        return self.digit


def probabilities(scores: Float64) -> Float64:
    """The logistic function of log-odds of any shape, without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(scores, np.float64)))


def verdict_places(n_fired: Array) -> NDArray[np.int8]:
    """Where in ``VERDICTS`` the verdict stands, for how many detectors fired: (n,)."""
    return np.where(n_fired == 1, 0, np.where(n_fired > 1, 1, 2)).astype(np.int8)


def count_votes(scores: Float64) -> list[Vote]:
    """Turn scores (n, 10) into n votes.

    Raises
    ------
    ValueError
        Where a score is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> [vote.verdict for vote in count_votes(np.array([[-4.0] * 9 + [4.0], [-4.0] * 10]))]
    ['sure', 'none']
    """
    scores = np.asarray(scores, np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a finite number")
    votes = probabilities(scores)
    winners = scores.argmax(axis=1)
    verdicts = verdict_places((scores > 0).sum(axis=1))
    return [
        Vote(
            digit=int(winner),
            confidence=float(vote[winner]),
            verdict=VERDICTS[verdict],
            fired=tuple(np.flatnonzero(row > 0).tolist()),
            votes=tuple(vote.tolist()),
            scores=tuple(row.tolist()),
        )
        for row, vote, winner, verdict in zip(scores, votes, winners, verdicts, strict=True)
    ]
