"""The toolkit itself: jobs are taken, queued, run one after the other, noted in job files and reported once."""

import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.nca.callbacks import Callbacks
from local.nca.jobfiles import Envelope, JobFile, JobFiles, JobStatus
from local.nca.media_work import Failed
from local.nca.operations import ENDPOINTS, Endpoint, Payload, Work
from local.nca.process import Process
from local.nca.storage import Storage
from local.nca.switches import Fault, Switchboard

BUILD = 209
STATUS, STATUSES = "/v1/toolkit/job/status", "/v1/toolkit/jobs/status"


@dataclass(frozen=True, slots=True)
class Job:
    """A job on its way: the payload with its webhook and its caller's id, and when it was taken."""

    job_id: str
    path: str
    payload: Payload
    taken_at: float

    @property
    def record_id(self) -> str | None:
        return self.payload.get("id")


class Toolkit:
    """One installation with one worker; its job files outlive its process, unless told otherwise."""

    def __init__(
        self,
        *,
        storage: Storage,
        switches: Switchboard,
        callbacks: Callbacks,
        clock: Callable[[], float],
        longest_queue: int | None = None,
    ) -> None:
        self._storage = storage
        self._switches = switches
        self._callbacks = callbacks
        self._clock = clock
        self._longest_queue = longest_queue
        self._files = JobFiles(clock)
        self._made: dict[str, tuple[str, ...]] = {}
        self._process = Process(self._work)

    def take(self, path: str, payload: Payload) -> tuple[int, Envelope]:
        """Queue a job that is to be reported, run any other at once: the HTTP status and the envelope."""
        job = Job(str(uuid.uuid4()), path, payload, self._clock())
        endpoint = ENDPOINTS[path]
        process = self._process
        if "webhook_url" not in payload or endpoint.at_once:
            self._write(job, process, "running")
            envelope = self._envelope(job, process, began=self._clock(), queued=False)
            self._write(job, process, "done", envelope)
            return envelope["code"], envelope
        if self._full(process, job):
            longest = self._longest_queue or process.length
            refused = self._basic(job, process, 429) | {"message": f"MAX_QUEUE_LENGTH ({longest}) reached"}
            self._write(job, process, "done", refused)
            return 429, refused
        self._write(job, process, "queued")
        process.put(job)
        longest_queue = self._longest_queue or "unlimited"
        return 202, self._basic(job, process, 202) | {"message": "processing", "max_queue_length": longest_queue}

    def status(self, payload: Payload) -> tuple[int, Envelope]:
        """One job's file inside an envelope that is this very call's own."""
        file = self._files.get(str(payload.get("job_id", "")))
        return self._answer(STATUS, payload, lambda: file.shown() if file else None)

    def statuses(self, payload: Payload) -> tuple[int, Envelope]:
        """The state of every job whose file changed in the last `since_seconds`, these calls' own files included."""
        since = self._clock() - float(payload.get("since_seconds", 600))
        return self._answer(STATUSES, payload, lambda: self._files.since(since))

    def restart(self, *, keep_files: bool = True) -> None:
        """SIGKILL and start again: queue and running job are lost; in the stock container (no volume) the job files too."""
        self._process.kill()
        if not keep_files:
            self._files.clear()
        self._process = Process(self._work)

    def remember(self, job_id: str, response: Envelope) -> None:
        """Have a job that ended a while ago, whatever became of its callback; for those who need thousands of them."""
        process = self._process
        self._files.write(job_id, "done", pid=process.pid, queue_id=process.queue_id, response=response)

    def made(self, job_id: str) -> tuple[str, ...]:
        """The names of the objects a job has made, in order."""
        return self._made.get(job_id, ())

    def file(self, job_id: str) -> JobFile | None:
        """A job's file, as an operator would find it on the disk."""
        return self._files.get(job_id)

    @property
    def idle(self) -> bool:
        """Whether nothing runs, nothing that waits will ever run, and no callback is still to come."""
        return self._process.idle and self._callbacks.idle

    def wait_idle(self, timeout: float = 30.0) -> bool:
        """Wait until nothing runs and every callback is out; False when that takes too long."""
        ends = time.monotonic() + timeout
        while time.monotonic() < ends:
            if self.idle:
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        self._process.kill()
        self._process.join(5)

    def _full(self, process: "Process[Job]", job: Job) -> bool:
        if self._switches.draw(Fault.FULL, job.record_id):
            return True
        return self._longest_queue is not None and process.length >= self._longest_queue

    def _work(self, process: "Process[Job]", job: Job) -> None:
        """What the worker thread does with one job; an exception from here is its end."""
        if self._switches.draw(Fault.DEAD_THREAD, job.record_id):
            raise RuntimeError("the queue's thread died")
        began = self._clock()
        self._write(job, process, "running")
        if slow := self._switches.draw(Fault.SLOW, job.record_id):
            self._wait(process, slow.seconds)
        if process.killed:
            return
        envelope = self._envelope(job, process, began=began, queued=True)
        if process.killed:
            return
        not_json = self._switches.draw(Fault.NOT_JSON, job.record_id)
        if not_json:
            envelope["response"] = {"value": float("nan")}
        # The file says done before the callback is sent.
        self._write(job, process, "done", envelope)
        if not not_json:
            self._callbacks.send(job.payload["webhook_url"], envelope, record_id=job.record_id)

    def _wait(self, process: "Process[Job]", seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not process.killed:
            time.sleep(0.02)

    def _envelope(self, job: Job, process: "Process[Job]", *, began: float, queued: bool) -> Envelope:
        """Run the job and say how it went, in the callback's own order of keys."""
        fail = self._switches.draw(Fault.FAIL, job.record_id)
        response, code, message = None, 500, fail.message if fail else ""
        if fail is None:
            try:
                response, code, message = self._run(ENDPOINTS[job.path], job), 200, "success"
            except Failed as error:
                message = str(error)
        ended = self._clock()
        waited = began - job.taken_at if queued else 0
        return {
            "endpoint": job.path,
            "code": code,
            "id": job.record_id,
            "job_id": job.job_id,
            "response": response,
            "message": message,
            "pid": process.pid,
            "queue_id": process.queue_id,
            "run_time": round(ended - began, 3),
            "queue_time": round(waited, 3),
            "total_time": round(ended - began + waited, 3),
            "queue_length": process.length,
            "build_number": BUILD,
        }

    def _run(self, endpoint: Endpoint, job: Job) -> Any:
        stored = self._switches.draw(Fault.NEVER_STORED, job.record_id) is None
        with tempfile.TemporaryDirectory(prefix="nca-") as folder:
            work = Work(job.job_id, job.payload, Path(folder), self._storage, stored=stored)
            response = endpoint.run(work)
        self._made[job.job_id] = tuple(work.uploaded)
        for name in work.uploaded:
            self._spoil(name, job.record_id)
        return response

    def _spoil(self, name: str, record_id: str | None) -> None:
        if deleted := self._switches.draw(Fault.DELETED, record_id):
            self._storage.end(name, after_s=deleted.seconds)
        if forbidden := self._switches.draw(Fault.FORBIDDEN, record_id):
            self._storage.end(name, after_s=forbidden.seconds, ending="forbidden")
        if self._switches.draw(Fault.HTML, record_id):
            self._storage.spoil(name, html=True)
        if self._switches.draw(Fault.TRUNCATED, record_id):
            self._storage.halve(name)
        if self._switches.draw(Fault.CUT_SHORT, record_id):
            self._storage.spoil(name, cuts=1)
        if stalled := self._switches.draw(Fault.STALLED, record_id):
            self._storage.spoil(name, stalls_s=stalled.seconds)

    def _answer(self, path: str, payload: Payload, look: Callable[[], Envelope | None]) -> tuple[int, Envelope]:
        """A status call is a job of its own, with a file of its own."""
        job = Job(str(uuid.uuid4()), path, payload, self._clock())
        process = self._process
        self._write(job, process, "running")
        found = look()
        code = 200 if found is not None else 404
        message = "success" if found is not None else {"error": "Job not found", "job_id": payload.get("job_id")}
        timing = {"run_time": 0.0, "queue_time": 0, "total_time": 0.0}
        envelope = self._basic(job, process, code) | {"endpoint": path, "response": found, "message": message} | timing
        # Its own file keeps the answer without what the answer itself quotes, or polls would nest for ever.
        self._write(job, process, "done", envelope | {"response": None})
        return code, envelope

    def _basic(self, job: Job, process: "Process[Job]", code: int) -> Envelope:
        return {
            "build_number": BUILD,
            "code": code,
            "id": job.record_id,
            "job_id": job.job_id,
            "pid": process.pid,
            "queue_id": process.queue_id,
            "queue_length": process.length,
        }

    def _write(self, job: Job, process: "Process[Job]", status: JobStatus, response: Envelope | None = None) -> None:
        if not process.killed:
            self._files.write(job.job_id, status, pid=process.pid, queue_id=process.queue_id, response=response)
