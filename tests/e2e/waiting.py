"""Waiting for what another process does, with a limit and a message."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, *, seconds: float = 60.0) -> T:
    """What `look` gives as soon as it gives something true; fails with `what` was awaited."""
    ends = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends, f"still waiting for {what} after {seconds:.0f} s"
        time.sleep(0.1)
