"""A sweep: whatever is due is brought back onto the one way in, the queue; the poller decides nothing that persist decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelkeeper.adapters.inbox import Waiting
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, tried
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, NotAMessage, Pointer, encode, point
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, retry_delay
from reelkeeper.services.audit import audit
from reelkeeper.services.outside import Outside
from reelkeeper.telemetry import logger

Clock = Callable[[], datetime]
# Too large for the queue, it is there by a claim check, taken in seconds; what lies here this long has none, or lost it.
_CLAIM_PATIENCE = timedelta(minutes=10)
_JOBS_A_SWEEP = 2_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: messages taken from the inbox, due jobs looked at, and callbacks sent in again or anew."""

    inboxed: int = 0
    due: int = 0
    sent: int = 0


def sweep(*, outside: Outside, clock: Clock, chance: Callable[[], float], ends_at: datetime) -> Swept:
    """Look at everything that is due, oldest first, until `ends_at`; what is left is first in the next sweep."""
    inboxed = _empty_inbox(outside, clock, ends_at)
    due = sent = 0
    published: list[Job] = []
    for job in outside.ledger.due(now=clock(), limit=_JOBS_A_SWEEP):
        if clock() >= ends_at:
            break
        due += 1
        if job.state is JobState.PUBLISHED:
            published.append(job)
            continue
        try:
            sent += _look(job, outside, clock, chance)
        except (RetryLater, Refused) as error:
            # It stays due; the next job may well be luckier.
            logger.warning("job could not be looked at", job_id=job.job_id, record_id=job.record_id, reason=error.reason)
    # Last, because these files are kept already and the others are not yet.
    audit(published, outside=outside, clock=clock, chance=chance, ends_at=ends_at)
    return Swept(inboxed, due, sent)


def _empty_inbox(outside: Outside, clock: Clock, ends_at: datetime) -> int:
    taken = 0
    for one in outside.inbox.waiting():
        if clock() >= ends_at:
            break
        try:
            taken += _take(one, outside, clock)
        except (Gone, NotAMessage) as error:
            # Persist was quicker, or somebody put a file of their own there.
            logger.warning("nothing to take from the inbox", inbox_key=one.key, reason=str(error))
    return taken


def _take(one: Waiting, outside: Outside, clock: Clock) -> int:
    if one.size <= QUEUE_LIMIT_BYTES:
        # It lies here because the queue was down when it came: nobody has heard of it yet.
        outside.queue.send(encode(outside.inbox.get(one.key)))
        outside.inbox.delete(one.key)
        return 1
    if one.since > clock() - _CLAIM_PATIENCE:
        return 0
    outside.queue.send(point(one.key))
    return 1


def _look(job: Job, outside: Outside, clock: Clock, chance: Callable[[], float]) -> int:
    at = clock()
    later = at + max(retry_delay(job.attempts + 5, chance=chance(), longest=LONGEST_IN_LEDGER), LOOK_AGAIN)
    text = _from_nca(job, outside, at) if job.state is JobState.SUBMITTED else _kept(job, outside)
    if text is not None:
        outside.queue.send(text)
    why = "sent in again by the poller" if text is not None else "looked at by the poller: nothing new"
    _change(outside, job, lambda known: tried(known, at=at, why=why, due_at=later))
    return int(text is not None)


def _kept(job: Job, outside: Outside) -> str | None:
    """The callback that the ledger keeps; persist goes on where the job's state says."""
    message = outside.ledger.message(job.job_id)
    if message is None:
        return None
    return point(message.key) if isinstance(message, Pointer) else encode(message)


def _from_nca(job: Job, outside: Outside, at: datetime) -> str | None:
    """The callback that NCA would have sent, from its status route; None while there is none."""
    report = outside.nca.status(job.job_id).report if outside.nca is not None else None
    if report is None:
        return None
    asked = {"job_id": job.record_id, "operation": job.operation, "target_id": job.target_id}
    query = {name: value for name, value in asked.items() if value}
    return encode(Message(body=report, received_at=at, query=query, content_type="application/json", origin="poll"))


def _change(outside: Outside, job: Job, decide: Callable[[Job], Job]) -> None:
    """Write a decision on the job as it was read; one that has moved on in the meantime is left alone."""

    def again(known: Job | None) -> Job:
        return decide(known) if known is not None and known.state is job.state else known or job

    outside.ledger.change(job.job_id, again)
