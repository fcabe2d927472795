"""The toolkit's job files: what it writes down of each job, and all that is left of one after a restart."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

JobStatus: TypeAlias = Literal["queued", "running", "done"]
Envelope: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobFile:
    """One job's file; `response` is the callback's body once there is one."""

    job_id: str
    job_status: JobStatus
    process_id: int
    queue_id: int
    response: Envelope | None
    modified_at: float

    def shown(self) -> Envelope:
        """The file as the status route quotes it."""
        return {
            "job_id": self.job_id,
            "job_status": self.job_status,
            "process_id": self.process_id,
            "queue_id": self.queue_id,
            "response": self.response,
        }


class JobFiles:
    """All of them; times are seconds of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._files: dict[str, JobFile] = {}
        self._lock = threading.Lock()

    def write(self, job_id: str, status: JobStatus, *, pid: int, queue_id: int, response: Envelope | None) -> None:
        with self._lock:
            self._files[job_id] = JobFile(job_id, status, pid, queue_id, response, self._clock())

    def get(self, job_id: str) -> JobFile | None:
        with self._lock:
            return self._files.get(job_id)

    def since(self, moment: float) -> dict[str, str]:
        """The state of every job whose file was modified at that moment or later."""
        with self._lock:
            return {file.job_id: file.job_status for file in self._files.values() if file.modified_at >= moment}

    def clear(self) -> None:
        """What a restart without a volume does."""
        with self._lock:
            self._files.clear()
