"""Acting on verdicts: each is written on its job first, by whoever read it last, and then sent on the one way in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reelkeeper.adapters.ledger import Outrun
from reelkeeper.adapters.nca import Status
from reelkeeper.domain import found
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.evidence import Judgement, Search, Verdict
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, move, note_once, tried
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, Pointer, encode, point
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, source_ends_at
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger, of

# What was sent is on a queue that loses nothing: it is sent again only if nothing came of it for so long, then twice as long.
_SENT_AGAIN = timedelta(minutes=15)
# A source is fetched well before it expires.
_BEFORE_ITS_END = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job as it was read: the job as it is written, and what is sent in, if anything."""

    job: Job
    body: bytes | None = None
    text: str | None = None


def decide(
    job: Job, judgement: Judgement, *, at: datetime, look_again: timedelta, status: Status | None, search: Search | None
) -> Decision:
    """The decision that follows from a judgement."""
    if judgement.verdict in (Verdict.FINISHED, Verdict.FAILED):
        by_files = found.report(job.job_id, search.urls, record_id=job.record_id) if search and judgement.by_files else None
        body = by_files or (status.report if status else None)
        sent = tried(job, at=at, why=f"{judgement.verdict}: {judgement.why}; sent in", due_at=at + _again(job))
        return Decision(replace(sent, gone_since=None), body=body)
    if judgement.proven:
        lost = move(replace(job, error=judgement.why), JobState.LOST, at=at, why=judgement.why, due_at=at + LOOK_AGAIN)
        return Decision(lost)
    gone_since = job.gone_since or at if judgement.gone else None if judgement.verdict is Verdict.RUNNING else job.gone_since
    if judgement.gone:
        # Looked at again as soon as that can be proof.
        look_again = min(look_again, LOOK_AGAIN * 2)
    noted = note_once(job, at=at, what=judgement.why)
    return Decision(replace(noted, gone_since=gone_since, due_at=at + look_again))


def write(sweep: Round, decisions: Sequence[Decision]) -> list[Decision]:
    """Write the decisions on their jobs; returns those that were won. A job that moved on meanwhile has been decided on."""

    def one(decision: Decision) -> Decision | None:
        try:
            return replace(decision, job=sweep.outside.ledger.save(decision.job))
        except Outrun:
            return None
        except (RetryLater, Refused) as error:
            logger.warning("a decision cannot be written", **of(decision.job, reason=error.reason))
            return None

    return [done for done in sweep.side_by_side(one, decisions) if done is not None]


def send(sweep: Round, decisions: Sequence[Decision]) -> int:
    """Send in what these decisions carry, after they were written; what the queue does not take is due again."""
    texts = [text for decision in decisions if (text := _text(decision, sweep)) is not None]
    left = sweep.outside.queue.send_all(texts)
    if left:
        logger.warning("the queue did not take all that was found", messages=len(left))
    return len(texts) - len(left)


def _text(decision: Decision, sweep: Round) -> str | None:
    if decision.text is not None or decision.body is None:
        return decision.text
    job = decision.job
    asked = {"job_id": job.record_id, "operation": job.operation, "target_id": job.target_id}
    message = Message(
        body=decision.body,
        received_at=sweep.clock(),
        query={name: value for name, value in asked.items() if value},
        content_type="application/json",
        origin=sweep.origin,
    )
    text = encode(message)
    try:
        return text if len(text) <= QUEUE_LIMIT_BYTES else point(sweep.outside.inbox.put(message))
    except RetryLater as error:
        logger.warning("a large callback cannot be sent in", **of(job, reason=error.reason))
        return None


def nudge(job: Job, sweep: Round) -> str:
    """A message that says nothing new of a job: persist goes on where its state says."""
    query = {"job_id": job.record_id} if job.record_id else {}
    body = json.dumps({"job_id": job.job_id}).encode()
    return encode(
        Message(body=body, received_at=sweep.clock(), query=query, content_type="application/json", origin=sweep.origin)
    )


def send_again(sweep: Round, jobs: Sequence[Job]) -> int:
    """Bring back to persist the jobs it has not done with, from what the ledger keeps; the soonest to expire first."""
    at = sweep.clock()
    who = "the poller" if sweep.origin == "poll" else "an operator"

    def one(job: Job) -> Decision | None:
        try:
            kept = sweep.outside.ledger.message(job.job_id)
        except RetryLater as error:
            logger.warning("job could not be looked at", **of(job, reason=error.reason))
            return None
        text = point(kept.key) if isinstance(kept, Pointer) else encode(kept) if kept is not None else nudge(job, sweep)
        due_at = max(min(at + _again(job), ends_at(job) - _BEFORE_ITS_END), at + LOOK_AGAIN)
        return Decision(tried(job, at=at, why=f"sent in again by {who}", due_at=due_at), text=text)

    decisions = [made for made in sweep.side_by_side(one, sorted(jobs, key=ends_at)) if made is not None]
    return send(sweep, write(sweep, decisions))


def ends_at(job: Job) -> datetime:
    """When the first of the job's sources that are still to be copied expires; the end of time where none does."""
    ends = [source_ends_at(output.source_url) for output in job.outputs if output.stored_at is None]
    return min((end for end in ends if end is not None), default=datetime.max.replace(tzinfo=job.received_at.tzinfo))


def _again(job: Job) -> timedelta:
    doublings: int = 1 << min(job.attempts, 10)
    return min(_SENT_AGAIN * doublings, LONGEST_IN_LEDGER)
