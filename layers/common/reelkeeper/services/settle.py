"""What became of a job goes into the ledger: Airtable knows it, or it is to be tried again and when."""

from collections.abc import Callable
from datetime import timedelta

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, shown, told, tried
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, LONGEST_IN_QUEUE
from reelkeeper.services.batch import TRIES_IN_QUEUE, Batch, Step
from reelkeeper.services.publish import Telling
from reelkeeper.telemetry import logger, of


def settle(batch: Batch, job: Job, telling: Telling) -> Step:
    """Note that Airtable was told of the job, or that it could not be."""
    try:
        if telling.error is None:
            _note_told(batch, job, telling)
            return Step()
        error = telling.error if isinstance(telling.error, RetryLater) else RetryLater(telling.error.reason)
        if telling.shown.target_told:
            decided(batch, job.job_id, lambda known: shown(known, telling.shown), state=job.state)
        return try_again(batch, job.job_id, error, job.attempts)
    except RetryLater as error:
        return Step(again=batch.delay(error, job.attempts))


def _note_told(batch: Batch, job: Job, telling: Telling) -> None:
    if telling.shown.target_id:
        batch.outside.ledger.refer(job, [telling.shown.target_id])
    decided(
        batch,
        job.job_id,
        lambda known: told(shown(known, telling.shown), at=batch.clock(), what=telling.what),
        state=job.state,
    )
    logger.info("Airtable told", **of(job, state=job.state, what=telling.what))


def try_again(batch: Batch, key: str, error: RetryLater, receives: int) -> Step:
    """Note the failed try; the message comes back soon, or the ledger makes the job due again later."""
    logger.warning("job tried in vain", job_id=key, reason=error.reason)
    try:
        job = batch.outside.ledger.get(key)
        if job is None:
            return Step(again=batch.delay(error, receives))
        # What is to wait longer than a message can is left to the ledger at once.
        left = job.attempts >= TRIES_IN_QUEUE or (error.delay or LONGEST_IN_QUEUE) > LONGEST_IN_QUEUE
        delay = batch.delay(error, job.attempts, longest=LONGEST_IN_LEDGER if left else LONGEST_IN_QUEUE)
        # While the message is to come back, the ledger's own date lies behind that, in case it never does.
        due_at = batch.clock() + delay + (timedelta() if left else LOOK_AGAIN)
        decided(batch, key, lambda known: tried(known, at=batch.clock(), why=error.reason, due_at=due_at), state=job.state)
    except RetryLater:
        return Step(again=batch.delay(error, receives))
    return Step() if left else Step(again=delay)


def decided(batch: Batch, key: str, decide: Callable[[Job], Job], *, state: JobState) -> None:
    """Write down what was decided on a job in `state`; one that has moved on meanwhile has its own messages."""

    def again(known: Job | None) -> Job:
        if known is None:
            raise RetryLater(f"job {key} has left the ledger")
        return decide(known) if known.state is state else known

    batch.outside.ledger.change(key, again)
