"""Leases: the jobs this run works on, held for as long as it lives and free a minute after it died."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from reelkeeper.domain.errors import RetryLater

LEASE = timedelta(seconds=60)
# A message whose worker died comes back after this long, when its lease has run out.
HIDDEN = timedelta(seconds=90)
BEAT_S = 20.0


class Ledger(Protocol):
    def lease(self, job_id: str, *, owner: str, now: datetime, until: datetime) -> bool: ...
    def release(self, job_id: str, *, owner: str) -> None: ...


class Queue(Protocol):
    def hide(self, receipt: str, *, delay: timedelta) -> None: ...


class Leases(AbstractContextManager["Leases"]):
    """Takes leases and renews them, with the messages behind them, until the block ends; then gives back what is left."""

    def __init__(
        self, ledger: Ledger, queue: Queue, *, owner: str, clock: Callable[[], datetime], beat_s: float = BEAT_S
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._owner = owner
        self._clock = clock
        self._beat_s = beat_s
        self._held: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="leases", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ended.set()
        self._heart.join()
        for job_id in tuple(self._held):
            self.drop(job_id)

    def take(self, job_id: str, receipts: Sequence[str]) -> bool:
        """Take the job and keep its messages hidden; False while another worker has it."""
        now = self._clock()
        if not self._ledger.lease(job_id, owner=self._owner, now=now, until=now + LEASE):
            return False
        with self._lock:
            self._held[job_id] = receipts
        self._hide(receipts)
        return True

    def drop(self, job_id: str) -> None:
        """Give the job back; a lease that cannot be given back runs out by itself."""
        with self._lock:
            if self._held.pop(job_id, None) is None:
                return
        try:
            self._ledger.release(job_id, owner=self._owner)
        except RetryLater:
            return

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_s):
            for job_id in tuple(self._held):
                # Whoever drops the job waits for this: a lease renewed after it was given back would lock the job for nothing.
                with self._lock:
                    if job_id in self._held:
                        self._renew(job_id, self._held[job_id])

    def _renew(self, job_id: str, receipts: Sequence[str]) -> None:
        now = self._clock()
        try:
            self._ledger.lease(job_id, owner=self._owner, now=now, until=now + LEASE)
        except RetryLater:
            # The next beat comes in time: a lease outlives two that fail.
            return
        self._hide(receipts)

    def _hide(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            try:
                self._queue.hide(receipt, delay=HIDDEN)
            except RetryLater:
                # It stays hidden for the queue's own, longer time.
                continue
