"""One job of a batch brought as far as it goes without Airtable: into the ledger, then its outputs into the bucket."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from datetime import timedelta
from typing import cast

from reelkeeper.domain.errors import Refused, RetryLater, Unfinished
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, carried_on
from reelkeeper.domain.message import CALLBACKS_PREFIX, Message
from reelkeeper.domain.ping import answered
from reelkeeper.domain.receiving import receive
from reelkeeper.domain.references import references
from reelkeeper.domain.telling import TELLABLE
from reelkeeper.domain.timing import retry_delay
from reelkeeper.services.batch import TRIES_IN_QUEUE, Batch, Heard, Step, latest, receives, told_of
from reelkeeper.services.deliveries import TRIES_OF_POISON, bury, once_more
from reelkeeper.services.outputs import copy_outputs
from reelkeeper.services.settle import decided, try_again
from reelkeeper.telemetry import about, logger, of

# A run gives its lease back before the next one begins.
_A_MOMENT = timedelta(seconds=5)


def safely(batch: Batch, heard: Sequence[Heard], work: Callable[[], Step]) -> Step:
    """Do a part of one job's work; a fault of ours in it brings back its messages alone, and buries them in the end."""
    with about(**told_of(heard)):
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the outermost loop: one job's fault must not stop the batch
            logger.exception("job failed on a fault of ours")
            if receives(heard) < TRIES_OF_POISON:
                return Step(again=retry_delay(receives(heard), chance=batch.chance()))
            return bury(batch, heard, f"a fault of ours: {type(error).__name__}: {error}")


def advance(batch: Batch, key: str, heard: Sequence[Heard], copying: Executor) -> Step:
    """Bring one job on; whatever goes wrong with it concerns no other job."""
    try:
        job = _take_in(batch, key, heard)
    except RetryLater as error:
        # The ledger does not have the message yet, so that it stays on the queue however often it was tried.
        logger.warning("message not in the ledger yet", job_id=key, reason=error.reason)
        return Step(again=batch.delay(error, receives(heard)))
    except Refused as error:
        return bury(batch, heard, error.reason)
    try:
        return _copy(batch, job, heard, copying) if job is not None else Step()
    except Unfinished as error:
        return _carry_on(batch, key, heard, error)
    except RetryLater as error:
        return try_again(batch, key, error, receives(heard))


def _take_in(batch: Batch, key: str, heard: Sequence[Heard]) -> Job | None:
    """The job with these callbacks folded in and kept; None where they change nothing, as it is done."""
    ledger = batch.outside.ledger

    def fold(job: Job | None) -> Job:
        for one in heard:
            job = receive(job, one.callback, key=key, origin=one.message.origin, at=batch.clock())
        return answered(cast(Job, job), at=batch.clock())

    def elsewhere(message: Message) -> str:
        return batch.outside.inbox.put(message, CALLBACKS_PREFIX)

    job = ledger.change(key, fold)
    if job.done:
        logger.info("callback repeated", **of(job, state=job.state))
        return None
    known_by = [name for one in heard for name in (one.delivery.message_id, one.inbox_key) if name]
    ledger.refer(job, references(job, message_ids=known_by))
    last = latest(heard)
    _learn(batch, job, last)
    if last.callback.outcome == "success" or job.state in (JobState.SUBMITTED, JobState.FAILED):
        ledger.keep_message(key, last.message, elsewhere=elsewhere)
    return job


def _learn(batch: Batch, job: Job, last: Heard) -> None:
    """Count how long such a job takes, which is when the poller looks for the next; a repetition is counted once."""
    took_s = last.callback.timing.total_s
    new = job.state is JobState.FINISHED and job.attempts == 0 and last.delivery.receives == 1
    if new and took_s is not None and job.operation in batch.outside.mapping.operations:
        with suppress(RetryLater):
            batch.outside.notebook.observe(cast(str, job.operation), took_s)


def _copy(batch: Batch, job: Job, heard: Sequence[Heard], copying: Executor) -> Step:
    key = job.job_id
    if not batch.leases.take(key, [one.delivery.receipt for one in heard]):
        # Soon, but not for as long as a copy may take: the ledger has the message, and makes the job due again.
        if receives(heard) > TRIES_IN_QUEUE:
            return Step()
        return Step(again=retry_delay(receives(heard) - 1, chance=batch.chance()))
    # Under the lease: another worker may have come further meanwhile.
    job = batch.outside.ledger.get(key) or job
    if job.state is JobState.FINISHED:
        job = copy_outputs(job, latest(heard).callback, run=batch.copies, pool=copying)
        logger.info("outputs copied", **of(job, state=job.state))
    return Step(job=job) if job.state in TELLABLE and job.told_at is None else Step()


def _carry_on(batch: Batch, key: str, heard: Sequence[Heard], error: Unfinished) -> Step:
    """A copy goes on in another run, by a fresh message: its receives are counted anew, so that it is never buried."""
    delay = max(error.delay or timedelta(), _A_MOMENT)
    logger.info("copy goes on in another run", job_id=key, reason=error.reason)
    due_at = batch.clock() + delay + LOOK_AGAIN
    try:
        decided(batch, key, lambda known: carried_on(known, at=batch.clock(), due_at=due_at), state=JobState.FINISHED)
        batch.outside.queue.send(once_more(batch, key, heard), delay=delay)
    except RetryLater as fault:
        return Step(again=batch.delay(fault, 0))
    return Step()
