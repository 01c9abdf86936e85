"""The process in which hostile things are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hostile.trial import Outcome, trying


@pytest.fixture(scope="module")
def attempt() -> Iterator[Callable[..., Outcome]]:
    with trying() as attempt:
        yield attempt
