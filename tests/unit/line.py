"""The event source with persist behind it, in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reelkeeper.domain.job import Job
from reelkeeper.domain.message import encode
from reelkeeper.services.persist import persist
from tests.unit.builders import JOB_ID, RECORD_ID, a_callback_body, a_message
from tests.unit.fakes.outside import Fakes

FILM = b"film"
MINUTE = timedelta(minutes=1)
# No test waits this long; it only keeps a fault from hanging the run.
PATIENCE_S = 10.0


@dataclass(slots=True)
class Line:
    """The event source with persist behind it: it delivers what may be seen and deletes what does not come back."""

    fakes: Fakes = field(default_factory=Fakes)
    chance: float = 0.0

    def order(self, job_id: str = JOB_ID, *, record_id: str = RECORD_ID, source: bytes | Exception = FILM) -> str:
        """A job with its rows in Airtable and its file at NCA; returns the file's URL."""
        url = f"https://files.example.com/bucket/{job_id}.mp4"
        tables = self.fakes.airtable.tables
        tables["Videos"][f"recVideo{record_id}"] = {}
        tables["Jobs"][record_id] = {"Status": "processing", "Related Video": [f"recVideo{record_id}"]}
        self.fakes.source.files[url] = source
        return url

    def report(self, job_id: str = JOB_ID, *, record_id: str = RECORD_ID, body: str | None = None) -> str:
        """NCA's callback on such a job, on the queue; returns the message's id."""
        url = f"https://files.example.com/bucket/{job_id}.mp4"
        body = body or a_callback_body(job_id=job_id, id=record_id, response=url)
        query = {"job_id": record_id, "operation": "concatenate"}
        return self.fakes.queue.send(encode(a_message(body.encode(), query=query)))

    def run(
        self, *, owner: str = "worker", most: int = 10, tell_every_s: float = PATIENCE_S, ends_at: datetime | None = None
    ) -> tuple[str, ...]:
        """One invocation; returns the messages that come back."""
        deliveries = self.fakes.queue.receive(most)
        again = persist(
            deliveries,
            outside=self.fakes.outside(),
            clock=self.fakes.clock,
            chance=lambda: self.chance,
            owner=owner,
            tell_every_s=tell_every_s,
            ends_at=ends_at,
        )
        for one in deliveries:
            if one.message_id not in again:
                self.fakes.queue.delete(one.message_id)
        return again

    def next_run(self) -> timedelta:
        """Let time pass until a message may be seen again and run; returns how long that was."""
        visible_at = min(one.visible_at for one in self.fakes.queue.waiting.values())
        waited = max(visible_at - self.fakes.clock.now, timedelta())
        self.fakes.clock.move(waited)
        self.run()
        return waited

    def until_quiet(self) -> list[timedelta]:
        """Run until the queue is empty; returns how long each time took to come."""
        waits = []
        while self.fakes.queue.waiting:
            waits.append(self.next_run())
            assert len(waits) < 50, "the queue never becomes empty"
        return waits

    def job(self, job_id: str = JOB_ID) -> Job:
        return self.fakes.ledger.job(job_id)

    def row(self, record_id: str = RECORD_ID) -> dict[str, Any]:
        return self.fakes.airtable.tables["Jobs"][record_id]

    def target(self, record_id: str = RECORD_ID) -> dict[str, Any]:
        return self.fakes.airtable.tables["Videos"][f"recVideo{record_id}"]


def kept(line: Line) -> Sequence[bytes]:
    return list(line.fakes.bucket.objects.values())
