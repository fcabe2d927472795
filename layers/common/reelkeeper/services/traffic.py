"""Who may move bytes now: copies share the memory of their process, and those from one host share its patience.

A host that answers 429 or 503 is left alone for as long as it asks, and gets half the connections afterwards; each part that
comes home wins a little back (additive increase, multiplicative decrease, as TCP does it).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reelkeeper.domain.parts import MIB

# What a part on its way holds: one chunk here, and what the operating system and TLS keep of it.
LANE_BYTES = MIB
_REGAINED_BY_A_PART = 0.25
_LOOK_S = 0.5


class TimeIsUp(Exception):
    """No time is left for what was about to begin."""


@dataclass(slots=True)
class _Host:
    """A source's host: connections in use, how many it may have, and since when it may be asked again (monotonic seconds)."""

    allowed: float
    busy: int = 0
    quiet_until: float = 0.0


class Traffic:
    """One for a process: `memory` in bytes for all copies together, `width` connections to one host."""

    def __init__(self, *, memory: int, width: int, clock: Callable[[], float]) -> None:
        self.width = max(1, min(width, memory // LANE_BYTES))
        self._free = memory
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def lane(self, host: str, left_s: Callable[[], float]) -> Iterator[None]:
        """One connection to a host, as soon as it may have one more; raises TimeIsUp."""
        if left_s() <= 0:
            raise TimeIsUp
        with self._changed:
            known = self._hosts.setdefault(host, _Host(allowed=self.width))
            while known.busy >= max(1, int(known.allowed)) or self._clock() < known.quiet_until:
                self._wait(left_s)
            known.busy += 1
        try:
            with self.room(LANE_BYTES, left_s):
                yield
            with self._changed:
                known.allowed = min(known.allowed + _REGAINED_BY_A_PART, self.width)
        finally:
            with self._changed:
                known.busy -= 1
                self._changed.notify_all()

    @contextmanager
    def room(self, size: int, left_s: Callable[[], float]) -> Iterator[None]:
        """Memory for `size` bytes, in the order it was asked for, so that small wishes never starve a large one."""
        with self._changed:
            turn = object()
            self._waiting.append(turn)
            try:
                while self._waiting[0] is not turn or self._free < size:
                    self._wait(left_s)
                self._free -= size
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()

    def slow(self, host: str, delay_s: float) -> None:
        """The host asked for less: half as much, and nothing at all for `delay_s` seconds."""
        with self._changed:
            known = self._hosts.setdefault(host, _Host(allowed=self.width))
            known.allowed = max(1.0, known.allowed / 2)
            known.quiet_until = max(known.quiet_until, self._clock() + delay_s)

    def _wait(self, left_s: Callable[[], float]) -> None:
        if left_s() <= 0:
            raise TimeIsUp
        self._changed.wait(_LOOK_S)
