"""The ledger: items that only who has read their last version may write."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from reelkeeper.adapters.ledger import Ledger, Outrun
from reelkeeper.adapters.ledger_items import from_item, to_item
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.message import Message, Pointer
from reelkeeper.services.tally import tally
from tests.unit.builders import NOW


class FakeLedger(Ledger):
    """Jobs as items, written only by who has read the last version; `down` is what every call raises, if anything."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, object]] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}
        self.messages: dict[str, Message | Pointer] = {}
        self.references: dict[str, str] = {}
        self.checkpoints: dict[tuple[str, int], str] = {}
        self.saved: list[Job] = []
        self.down: Exception | None = None
        # Called with each job before it is written: where a test lets another worker come first.
        self.on_save: Callable[[Job], None] = lambda _: None
        self._lock = threading.Lock()

    def get(self, job_id: str) -> Job | None:
        self._answer()
        item = self.items.get(job_id)
        return from_item(item) if item is not None else None

    def waiting(self, *, until: datetime) -> Iterator[tuple[str, datetime]]:
        self._answer()
        yield from ((job.state, job.received_at) for job in self._due(until, kept=False))

    def due(self, *, now: datetime, limit: int, kept: bool = False) -> Iterator[Job]:
        self._answer()
        free = [job for job in self._due(now, kept=kept) if self.leases.get(job.job_id, ("", now))[1] <= now]
        yield from sorted(free, key=lambda job: job.due_at or now)[:limit]

    def _due(self, until: datetime, *, kept: bool) -> list[Job]:
        jobs = [from_item(item) for item in self.items.values()]
        due = [job for job in jobs if job.due_at is not None and job.due_at <= until]
        return [job for job in due if (job.state is JobState.KEPT) is kept]

    def save(self, job: Job) -> Job:
        self._answer()
        self.on_save(job)
        with self._lock:
            known = self.items.get(job.job_id)
            if (from_item(known).version if known else 0) != job.version:
                raise Outrun(job.job_id)
            saved = replace(job, version=job.version + 1)
            self.items[job.job_id] = to_item(saved)
            self.saved.append(saved)
        tally(from_item(known) if known else None, saved)
        return saved

    def put(self, job: Job) -> Job:
        """Arrange a job, whatever is there."""
        self.items[job.job_id] = to_item(job)
        return job

    def job(self, job_id: str) -> Job:
        """The job, which must be there, however down the ledger is."""
        return from_item(self.items[job_id])

    def lease(self, job_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        self._answer()
        with self._lock:
            other, ends = self.leases.get(job_id, (owner, now))
            if other != owner and ends >= now:
                return False
            self.leases[job_id] = owner, until
        return True

    def release(self, job_id: str, *, owner: str) -> None:
        self._answer()
        with self._lock:
            if self.leases.get(job_id, ("", NOW))[0] == owner:
                del self.leases[job_id]

    def keep_message(self, job_id: str, message: Message, *, elsewhere: Callable[[Message], str]) -> None:
        self._answer()
        self.messages[job_id] = message if len(message.body) < 150_000 else Pointer(elsewhere(message))

    def checkpoint(self, job_id: str, index: int) -> str | None:
        self._answer()
        return self.checkpoints.get((job_id, index))

    def save_checkpoint(self, job_id: str, index: int, text: str | None) -> None:
        self._answer()
        if text is None:
            self.checkpoints.pop((job_id, index), None)
        else:
            self.checkpoints[job_id, index] = text

    def message(self, job_id: str) -> Message | Pointer | None:
        self._answer()
        return self.messages.get(job_id)

    def known(self, job_ids: Iterable[str]) -> frozenset[str]:
        self._answer()
        return frozenset(job_id for job_id in job_ids if job_id in self.items)

    def refer(self, job: Job, references: Iterable[str]) -> None:
        self._answer()
        self.references.update(dict.fromkeys(references, job.job_id))

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down
