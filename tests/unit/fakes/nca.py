"""NCA, the bucket it writes to, and the engine that hands it its jobs."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from reelkeeper.adapters.engine import Engine
from reelkeeper.adapters.nca import Listing, Nca, NotFound, Status
from reelkeeper.adapters.nca_bucket import NcaBucket
from reelkeeper.domain.callback import Sender
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.evidence import Search


class FakeNca(Nca):
    """NCA's status routes: `reports` are the callbacks of jobs that are done, `running` the jobs that are not.

    `states` says more than "running" of a job, `owners` in which worker it is, `worker` which one answers. What is in none of
    them is not known to it. `answers` are errors that single jobs' calls raise; `hangs` those on which it waits for `woken`.
    """

    def __init__(self) -> None:
        self.reports: dict[str, bytes] = {}
        self.running: set[str] = set()
        self.states: dict[str, str] = {}
        self.owners: dict[str, Sender] = {}
        self.worker = Sender("1", "1")
        self.answers: dict[str, Exception] = {}
        self.hangs: set[str] = set()
        self.woken = threading.Event()
        self.down: RetryLater | Refused | None = None
        self.bulk: RetryLater | Refused | None = None
        self.asked: list[str] = []
        self.windows: list[timedelta] = []
        self.submitted: list[tuple[str, Mapping[str, object]]] = []

    def status(self, job_id: str) -> Status:
        self.asked.append(job_id)
        if self.down is not None:
            raise self.down
        if job_id in self.hangs:
            self.woken.wait()
        if job_id in self.answers:
            raise self.answers[job_id]
        owner = self.owners.get(job_id, self.worker)
        if job_id in self.reports:
            return Status(job_id, "done", owner, self.reports[job_id], self.worker)
        if job_id in self.running:
            return Status(job_id, self.states.get(job_id, "running"), owner, None, self.worker)
        raise NotFound("NCA does not know this job", answered_by=self.worker)

    def statuses(self, *, since: timedelta) -> Listing:
        self.windows.append(since)
        for error in (self.down, self.bulk):
            if error is not None:
                raise error
        running = {job_id: self.states.get(job_id, "running") for job_id in self.running}
        return Listing(dict.fromkeys(self.reports, "done") | running, self.worker)

    def submit(self, path: str, payload: Mapping[str, object]) -> str:
        if self.down is not None:
            raise self.down
        self.submitted.append((path, payload))
        new_id = f"new-{len(self.submitted)}"
        self.running.add(new_id)
        return new_id


class FakeNcaBucket(NcaBucket):
    """NCA's bucket: what each job has there; `whole` False is a bucket that cannot be listed."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, ...]] = {}
        self.whole = True
        self.settled = True
        self.down: RetryLater | None = None
        self.searched: list[str] = []

    def search(self, job_id: str, *, at: datetime) -> Search:
        self.searched.append(job_id)
        if self.down is not None:
            raise self.down
        return Search(self.found.get(job_id, ()), whole=self.whole, settled=self.settled)


class FakeEngine(Engine):
    """What the engine was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self.down: RetryLater | Refused | None = None

    def ask(self, path: str, body: Mapping[str, object]) -> None:
        if self.down is not None:
            raise self.down
        self.asked.append((path, body))
