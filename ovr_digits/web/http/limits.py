"""How much the service takes on: all its limits in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused beyond.

    Attributes
    ----------
    body_bytes : int
        Of the body of one request.
    pixels : int
        Of one picture, before any is decoded.
    seconds : float
        Of work on one picture, and as much again for its turn to come.
    arrival_seconds : float
        From the first byte of a request to its last, however it comes.
    waiting : int
        Pictures that wait for their turn.
    connections : int
        That are answered at a time; twice as many are open at most.
    kept : int
        Pictures in the folder of those that were corrected.
    header_bytes : int
        Of the head of one request.
    """

    body_bytes: int = 10_000_000
    pixels: int = 25_000_000
    seconds: float = 10.0
    arrival_seconds: float = 30.0
    waiting: int = 64
    connections: int = 256
    kept: int = 10_000
    header_bytes: int = 16_384

    @property
    def held_bytes(self) -> int:
        """Of all bodies that are in memory at a time."""
        return 16 * self.body_bytes
