"""One sweep's collaborators, its end, and how it works on many things at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from reelkeeper.domain.message import Origin
from reelkeeper.services.outside import Outside

T = TypeVar("T")
R = TypeVar("R")

# What goes on at once with NCA, its bucket and the ledger: enough for ten thousand jobs in minutes, and bearable for NCA.
WIDTH = 16
# What hangs is given up after this, and its thread left to itself.
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """One sweep: it must be over at `ends_at`; what is left is due first in the next. `origin` says who asked for it."""

    outside: Outside
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    ends_at: datetime
    patience_s: float = PATIENCE_S
    origin: Origin = "poll"

    @property
    def over(self) -> bool:
        return self.clock() >= self.ends_at

    def side_by_side(self, work: Callable[[T], R], things: Sequence[T]) -> list[R | None]:
        """The results in order; None for what had not come to its end in time. What `work` raises first is raised."""
        if not things:
            return []
        pool = ThreadPoolExecutor(min(WIDTH, len(things)))
        try:
            futures = [pool.submit(work, thing) for thing in things]
            seconds = min(self.patience_s, max((self.ends_at - self.clock()).total_seconds(), 1.0))
            done, _ = wait(futures, timeout=seconds)
            return [future.result() if future in done else None for future in futures]
        finally:
            # Not waited for: a call that hangs must not hold up the sweep.
            pool.shutdown(wait=False, cancel_futures=True)


def portions(things: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The things in portions, none larger than `most`."""
    for start in range(0, len(things), most):
        yield things[start : start + most]
