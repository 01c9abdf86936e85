"""How much the service takes on: all its limits in one place."""

from __future__ import annotations

#: Bytes of the body of one request, and of all bodies that are in memory at a time.
BODY_BYTES = 10_000_000
HELD_BYTES = 16 * BODY_BYTES
#: Bytes of the head of one request.
HEAD_BYTES = 16_384
#: Pixels of one picture, which are counted before any is decoded.
PIXELS = 25_000_000
#: The highest number of a page that may be asked for.
PAGES = 1000
#: Seconds of work on one picture, and as many again for its turn to come.
SECONDS = 10.0
#: Seconds from the first byte of a request to its last, however it comes.
ARRIVAL_SECONDS = 30.0
#: Pictures that wait for their turn; beyond, clients are told to ask again.
WAITING = 64
#: Connections that are answered at a time; twice as many are open at most.
CONNECTIONS = 256
#: Pictures in the folder of those that were corrected.
KEPT = 10_000
