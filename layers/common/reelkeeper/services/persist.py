"""Persist a batch of callbacks: each into the ledger, its outputs into the bucket, then all of them into Airtable at once.

At-least-once delivery, one effect: what the ledger says is done is not done again, and each job has one worker at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job
from reelkeeper.services.advance import advance, safely
from reelkeeper.services.batch import Batch, Delivery, Heard, Step
from reelkeeper.services.deliveries import let_go, open_all, send_back
from reelkeeper.services.lease import Leases
from reelkeeper.services.outputs import Run as CopyRun
from reelkeeper.services.outside import WIDTH, Outside
from reelkeeper.services.publish import publish
from reelkeeper.services.settle import settle
from reelkeeper.telemetry import about, logger, of

# One long copy must not keep a batch's other jobs waiting, and each telling costs requests whatever their number.
TELL_EVERY_S = 15.0
# Two full writes to each table beside the three reads. Fewer cost more each, and wait for others, up to 45 s in all.
WORTH_TELLING = 20
HELD_AT_MOST = 3
_NEVER = datetime.max.replace(tzinfo=UTC)

_ByJob = Mapping[str, Sequence[Heard]]


def persist(
    deliveries: Sequence[Delivery],
    *,
    outside: Outside,
    clock: Callable[[], datetime],
    chance: Callable[[], float],
    owner: str,
    tell_every_s: float = TELL_EVERY_S,
    ends_at: datetime | None = None,
) -> tuple[str, ...]:
    """Work through a batch and return the ids of the messages that must come again.

    Copies stop in time before `ends_at` (None: never), and go on from there in another run, by a message of their own.
    Airtable is told of all jobs at once. While some still copy it is told of those that are ready: every `tell_every_s` seconds
    where they are enough to be worth their requests, every third time in any case.
    """

    def left_s() -> float:
        return ((ends_at or _NEVER) - clock()).total_seconds()

    with Leases(outside.ledger, outside.queue, owner=owner, clock=clock) as leases:
        batch = Batch(outside, clock, chance, leases, CopyRun(outside, clock, left_s))
        heard, unread = open_all(batch, deliveries)
        again = send_back(batch, unread)
        _feel_pulse(batch, heard)
        # Jobs wait for their copies, so that the two have threads of their own.
        with ThreadPoolExecutor(WIDTH) as copying, ThreadPoolExecutor(max(len(heard), 1)) as working:
            under_way = {
                key: working.submit(safely, batch, heard[key], partial(advance, batch, key, heard[key], copying))
                for key in heard
            }
            held = 0
            while under_way:
                wait(under_way.values(), timeout=tell_every_s)
                ready = {key: step.result() for key, step in under_way.items() if step.done()}
                held += 1
                if len(ready) < len(under_way) and held < HELD_AT_MOST and _to_tell(ready) < WORTH_TELLING:
                    ready = {key: step for key, step in ready.items() if step.job is None}
                else:
                    held = 0
                under_way = {key: step for key, step in under_way.items() if key not in ready}
                again += send_back(batch, _finish(batch, ready, heard, others=bool(under_way)))
        return again


def _feel_pulse(batch: Batch, heard: _ByJob) -> None:
    """Note that callbacks arrive: the poller tells people when they do not although jobs end."""
    if any(one.message.origin == "webhook" for some in heard.values() for one in some):
        with suppress(RetryLater):
            batch.outside.notebook.heard(batch.clock())


def _to_tell(steps: Mapping[str, Step]) -> int:
    return sum(step.job is not None for step in steps.values())


def _finish(batch: Batch, steps: Mapping[str, Step], heard: _ByJob, *, others: bool) -> list[tuple[Delivery, timedelta]]:
    """Tell Airtable of the jobs that are ready and give them back; returns what must come again.

    While `others` go on, what is done leaves the queue at once: the event source would let it come again meanwhile.
    """
    jobs = [step.job for step in steps.values() if step.job is not None]
    ended = {**steps, **_tell(batch, jobs, heard)} if jobs else steps
    again: list[tuple[Delivery, timedelta]] = []
    for key, step in ended.items():
        batch.leases.drop(key)
        if step.again is not None:
            again += [(one.delivery, step.again) for one in heard[key]]
        else:
            let_go(batch, heard[key], at_once=others)
    return again


def _tell(batch: Batch, jobs: Sequence[Job], heard: _ByJob) -> dict[str, Step]:
    """Tell Airtable about all jobs at once; after a fault of ours one by one, since it is one job's."""
    if len(jobs) > 1:
        try:
            return _tell_all(batch, jobs)
        except Exception:  # noqa: BLE001 - the outermost loop, too: whose fault it is shows when each is told alone
            # What was written already is seen to be there, and is not written again.
            logger.exception("jobs are told one by one after a fault of ours")
    return {job.job_id: safely(batch, heard[job.job_id], partial(_tell_one, batch, job)) for job in jobs}


def _tell_all(batch: Batch, jobs: Sequence[Job]) -> dict[str, Step]:
    batch.outside.preflight.look(batch.clock())
    tellings = publish(jobs, airtable=batch.outside.airtable, mapping=batch.outside.mapping)
    steps = {}
    for job in jobs:
        with about(**of(job)):
            steps[job.job_id] = settle(batch, job, tellings[job.job_id])
    return steps


def _tell_one(batch: Batch, job: Job) -> Step:
    return _tell_all(batch, [job])[job.job_id]
