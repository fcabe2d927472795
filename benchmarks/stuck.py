"""A base full of jobs whose callback never came although their files are there, and a clock that counts waits and skips them.

NCA and Airtable are the stand-ins, over HTTP, with Airtable's five requests a second enforced. The ledger, the queue and the
bucket are in memory, so that what is measured is our own work and the requests it makes.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local import airtable as airtable_stand_in
from local import nca as nca_stand_in
from local.airtable import Served
from local.nca import Nca

OLD = timedelta(minutes=20)


class Skipping:
    """This machine's time, ahead by every wait that was skipped: a pause costs what it would have cost, and no time."""

    def __init__(self) -> None:
        self._skipped = timedelta()
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._skipped

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        with self._lock:
            self._skipped += timedelta(seconds=seconds)

    def back(self, by: timedelta) -> None:
        """Go back before anything is measured, to arrange what happened earlier."""
        self._skipped -= by


@dataclass(frozen=True, slots=True)
class Stuck:
    """The stand-ins with so many stuck jobs; `nca_calls` counts the requests NCA got, its bucket's included."""

    airtable: Served
    nca: Nca
    clock: Skipping
    job_ids: tuple[str, ...]

    @property
    def airtable_calls(self) -> int:
        return len(self.airtable.journal.all())

    @property
    def completed(self) -> int:
        rows = self.airtable.base.all("Jobs").values()
        return sum(1 for row in rows if row.get("Status") == "completed")


@contextmanager
def stuck(jobs: int) -> Iterator[Stuck]:
    """So many open rows, twenty minutes old, each with a finished job at NCA and its file in NCA's bucket."""
    clock = Skipping()
    with nca_stand_in.serve() as nca, airtable_stand_in.serve(clock=clock) as airtable:
        clock.back(OLD)
        job_ids = tuple(_job(airtable, nca) for _ in range(jobs))
        clock.sleep(OLD.total_seconds())
        yield Stuck(airtable, nca, clock, job_ids)


def _job(airtable: Served, nca: Nca) -> str:
    job_id = str(uuid.uuid4())
    segment = airtable.base.create("Segments", {"Status": "combining"})
    fields = {"Type": "combine", "Status": "processing", "External Job ID": job_id, "Related Segment Video": [segment]}
    row = airtable.base.create("Jobs", fields)
    url = nca.put_output(f"{job_id}_output_0.mp4", job_id.encode())
    nca.toolkit.remember(
        job_id,
        {
            "endpoint": "/v1/ffmpeg/compose",
            "code": 200,
            "id": row,
            "job_id": job_id,
            "response": [{"file_url": url}],
            "message": "success",
            "run_time": 12.0,
            "queue_time": 1.0,
            "total_time": 13.0,
        },
    )
    return job_id


@dataclass(slots=True)
class Taken:
    """What a run took: seconds on the clock that counts skipped waits, and the most memory beyond what was there before."""

    seconds: float = 0.0
    memory_mb: float = 0.0


@contextmanager
def taken(clock: Callable[[], datetime], resident: Callable[[], int]) -> Iterator[Taken]:
    """Measure a block."""
    found, before, most, ended = Taken(), resident(), [resident()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most.append(max(most.pop(), resident()))

    watcher = threading.Thread(target=watch, daemon=True)
    began = clock()
    watcher.start()
    try:
        yield found
    finally:
        found.seconds = (clock() - began).total_seconds()
        ended.set()
        watcher.join()
        found.memory_mb = max(most[0] - before, 0) / 1e6


def pause() -> None:
    """Let the machine settle between two runs."""
    time.sleep(0.2)
