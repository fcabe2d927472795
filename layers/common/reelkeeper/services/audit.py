"""The audit: what Airtable shows is looked at again, until it may be called kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import LOOK_AGAIN, Job, audited, tried
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, retry_delay
from reelkeeper.services.outside import Outside
from reelkeeper.telemetry import logger

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Audited:
    """What the audits of a sweep found: jobs looked at, and those of them that are not as they should be."""

    looked_at: int = 0
    failed: int = 0


def audit(
    published: Sequence[Job], *, outside: Outside, clock: Clock, chance: Callable[[], float], ends_at: datetime
) -> Audited:
    """Look at these published jobs, which are due, until `ends_at`; those left stay due."""
    looked_at = failed = 0
    for job in published:
        if clock() >= ends_at:
            break
        looked_at += 1
        try:
            failed += not _whole(job, outside, clock(), chance)
        except (RetryLater, Refused) as error:
            # It stays due; the next job may well be luckier.
            logger.warning("job could not be audited", job_id=job.job_id, record_id=job.record_id, reason=error.reason)
    return Audited(looked_at, failed)


def _whole(job: Job, outside: Outside, at: datetime, chance: Callable[[], float]) -> bool:
    """Whether all objects of a job are there, as large as the ledger says; it is kept then."""
    later = at + max(retry_delay(job.attempts + 5, chance=chance(), longest=LONGEST_IN_LEDGER), LOOK_AGAIN)
    for output in job.outputs:
        there = outside.bucket.head(output.key or "")
        if there is None or there.size != output.size:
            logger.error("object missing", job_id=job.job_id, record_id=job.record_id, key=output.key)
            _change(outside, job, lambda known: tried(known, at=at, why="an object is missing", due_at=later))
            return False
    _change(outside, job, lambda known: audited(known, at=at, why="every object is still there"))
    return True


def _change(outside: Outside, job: Job, decide: Callable[[Job], Job]) -> None:
    """Write a decision on the job as it was read; one that has moved on in the meantime is left alone."""

    def again(known: Job | None) -> Job:
        return decide(known) if known is not None and known.state is job.state else known or job

    outside.ledger.change(job.job_id, again)
