"""Persist in any weather: calls fail, answers are lost and workers die anywhere; in the end every job is told truly, once."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.message import Pointer, encode, point
from tests.unit.builders import a_callback_body, a_failure_body, a_message
from tests.unit.line import Line

LOOK = timedelta(minutes=10)
REPORTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["success", "failure", "ping", "claimed"])), min_size=1, max_size=12
)
DOWN = st.sampled_from(["", "airtable", "bucket"])
# The queue takes a message for a dead letter after twelve receives (template.yaml).
MOST_RECEIVES = 12


class Killed(BaseException):
    """The worker's process is gone: nothing catches this, and nothing of that worker reaches the outside any more."""


@dataclass(slots=True)
class Weather:
    """What a call to the outside meets: nothing, an error that passes, or the worker's death."""

    chance: random.Random
    errors: float = 0.15
    deaths: float = 0.03
    dead: bool = False
    calls: int = field(default=0)

    def __call__(self, *_: object) -> None:
        self.calls += 1
        drawn = self.chance.random()
        if self.dead or drawn < self.deaths:
            self.dead = True
            raise Killed
        if drawn < self.deaths + self.errors:
            raise RetryLater("a storm")

    def outage(self, *_: object) -> None:
        """What a call meets where nobody answers before the storm is over."""
        self()
        if self.errors:
            raise RetryLater("nobody answers")

    def calm(self) -> None:
        self.errors = self.deaths = 0.0
        self.dead = False


def expose(line: Line, weather: Weather, *, down: str) -> None:
    """Let every call of the workers' meet the weather, before it is done and, for what is written, after it, too."""
    fakes = line.fakes
    every: list[Any] = [fakes.ledger, fakes.inbox, fakes.bucket, fakes.airtable]
    for fake in every:
        fake._answer = weather
    fakes.source.on_read = weather
    if down:
        getattr(fakes, down)._answer = weather.outage
    written: list[tuple[Any, str]] = [
        *((fakes.ledger, "save"), (fakes.airtable, "write"), (fakes.inbox, "delete")),
        *((fakes.bucket, "put"), (fakes.queue, "hide")),
    ]
    for fake, name in written:
        setattr(fake, name, _then(getattr(fake, name), weather))


def _then(call: Callable[..., object], weather: Weather) -> Callable[..., object]:
    def both(*args: object, **options: object) -> object:
        done = call(*args, **options)
        weather()
        return done

    return both


def deliver(line: Line, weather: Weather) -> None:
    """One invocation, whatever becomes of it."""
    try:
        line.run()
    except Killed:
        weather.dead = False


def next_moment(line: Line) -> datetime | None:
    """When something happens next: a message is seen again, or a job is due."""
    dues = [job.due_at for job in jobs(line) if waits(job) and job.due_at is not None]
    return min([one.visible_at for one in line.fakes.queue.waiting.values()] + dues, default=None)


def waits(job: Job) -> bool:
    return job.told_at is None and job.state is not JobState.SUBMITTED


def jobs(line: Line) -> list[Job]:
    return [line.fakes.ledger.job(name) for name in line.fakes.ledger.items]


def look(line: Line) -> None:
    """What the poller does with what is due: the message that the ledger keeps comes onto the queue again."""
    for job in jobs(line):
        if waits(job) and job.due_at is not None and job.due_at <= line.fakes.clock.now:
            # Nothing is kept of a job whose worker died before that: its message is on the queue still.
            if kept := line.fakes.ledger.messages.get(job.job_id):
                line.fakes.queue.send(point(kept.key) if isinstance(kept, Pointer) else encode(kept))
            line.fakes.ledger.put(replace(job, due_at=line.fakes.clock.now + LOOK, version=job.version + 1))


def until_all_is_well(line: Line, weather: Weather) -> None:
    for _ in range(200):
        moment = next_moment(line)
        if moment is None:
            return
        line.fakes.clock.now = max(moment, line.fakes.clock.now)
        look(line)
        deliver(line, weather)
    raise AssertionError(f"still at work: {jobs(line)}, {line.fakes.queue.waiting}")


def report(line: Line, number: int, kind: str) -> None:
    job_id, record_id = f"job-{number}", f"rec{number}"
    if kind == "claimed":
        body = a_callback_body(job_id=job_id, id=record_id, response=f"https://files.example.com/bucket/{job_id}.mp4")
        message = a_message(body.encode(), query={"job_id": record_id, "operation": "concatenate"})
        line.fakes.queue.send(point(line.fakes.inbox.put(message)))
    elif kind == "success":
        line.report(job_id, record_id=record_id)
    elif kind == "failure":
        line.report(job_id, record_id=record_id, body=a_failure_body("boom", job_id=job_id, id=record_id))
    else:
        line.report(job_id, record_id=record_id, body=a_callback_body(job_id=job_id, id=record_id, code=202, response=None))


@given(reports=REPORTS, seed=st.integers(0, 2**32), runs=st.sampled_from([3, 10, 30]), down=DOWN)
def test_in_any_weather_every_job_ends_told_truly_and_its_file_is_kept_once(
    reports: list[tuple[int, str]], seed: int, runs: int, down: str
) -> None:
    line, weather = Line(), Weather(random.Random(seed))
    line.chance = 0.5
    for number in {number for number, _ in reports}:
        line.order(f"job-{number}", record_id=f"rec{number}", source=f"film {number}".encode())
    for number, kind in reports:
        report(line, number, kind)
    expose(line, weather, down=down)
    for _ in range(runs):
        line.fakes.clock.now = max(next_moment(line) or line.fakes.clock.now, line.fakes.clock.now)
        look(line)
        deliver(line, weather)
    weather.calm()
    until_all_is_well(line, weather)

    for number in {number for number, _ in reports}:
        kinds = {kind for one, kind in reports if one == number}
        job, row = line.job(f"job-{number}"), line.row(f"rec{number}")
        if kinds & {"success", "claimed"}:
            assert (job.state, row["Status"]) == (JobState.PUBLISHED, "completed")
            assert job.outputs[0].key is not None
            assert line.fakes.bucket.objects[job.outputs[0].key] == f"film {number}".encode()
            assert len(line.target(f"rec{number}")["Combined Segments Video"]) == 1
        elif "failure" in kinds:
            assert (job.state, row["Status"]) == (JobState.FAILED, "failed")
        else:
            assert (job.state, row["Status"]) == (JobState.SUBMITTED, "processing")
    assert not line.fakes.dead_letters.buried
    assert not [one for one in line.fakes.queue.waiting.values() if one.receives > MOST_RECEIVES]
