"""A sweep: whatever is open is found, asked for, looked for and brought back onto the one way in, the queue.

The poller decides nothing that persist decides. One sweep runs at a time; it ends in time, and what is left is due first next.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.services.act import send_again
from reelkeeper.services.audit import audit
from reelkeeper.services.find import Entered, enter_rows
from reelkeeper.services.open_jobs import Recovered, recover
from reelkeeper.services.outside import Outside
from reelkeeper.services.returns import empty_inbox, revive
from reelkeeper.services.round import PATIENCE_S, Round, portions
from reelkeeper.telemetry import logger

T = TypeVar("T")

_JOBS_A_SWEEP = 12_000
_PORTION = 500
# A sweep that was killed keeps the next one out no longer than this.
_MARGIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did. `busy`: nothing, since another one runs. In the order of its work: messages taken from the inbox and
    from the dead letters; rows that entered the ledger, and open ones that name no job; jobs that were due; messages sent in;
    jobs given up, and handed in anew."""

    busy: bool = False
    inboxed: int = 0
    revived: int = 0
    entered: int = 0
    unnamed: int = 0
    due: int = 0
    sent: int = 0
    lost: int = 0
    resubmitted: int = 0


def sweep(
    *,
    outside: Outside,
    clock: Callable[[], datetime],
    chance: Callable[[], float],
    ends_at: datetime,
    owner: str,
    patience_s: float = PATIENCE_S,
) -> Swept:
    """Look at everything that is open, until `ends_at`; `owner` names this sweep. Raises RetryLater without the ledger.

    Of calls made side by side, those that have not ended after `patience_s` seconds are given up.
    """
    if not outside.notebook.begin_sweep(owner=owner, now=clock(), until=ends_at + _MARGIN):
        return Swept(busy=True)
    try:
        return _sweep(Round(outside, clock, chance, ends_at, patience_s))
    finally:
        with suppress(RetryLater):
            outside.notebook.end_sweep(owner=owner)


def _sweep(sweep: Round) -> Swept:
    inboxed = _part("the inbox", lambda: empty_inbox(sweep), 0)
    revived = _part("dead letters", lambda: revive(sweep), 0)
    entered = _part("open rows", lambda: enter_rows(sweep), Entered())
    due = _due(sweep, entered.jobs)
    unfinished = [job for job in due if job.state not in (JobState.SUBMITTED, JobState.PUBLISHED)]
    sent = 0
    for some in portions(unfinished, _PORTION):
        if not sweep.over:
            sent += send_again(sweep, some)
    submitted = [job for job in due if job.state is JobState.SUBMITTED]
    recovered = _part("open jobs", lambda: recover(sweep, submitted), Recovered())
    # Last, because these files are kept already and the others are not yet.
    published = [job for job in due if job.state is JobState.PUBLISHED]
    audit(published, outside=sweep.outside, clock=sweep.clock, chance=sweep.chance, ends_at=sweep.ends_at)
    return Swept(
        inboxed=inboxed,
        revived=revived,
        entered=len(entered.jobs),
        unnamed=entered.unnamed,
        due=len(due),
        sent=sent + recovered.sent,
        lost=recovered.lost,
        resubmitted=recovered.resubmitted,
    )


def _due(sweep: Round, entered: Sequence[Job]) -> list[Job]:
    """What is due, the most overdue first, with what entered just now and may not be in the index yet."""
    due = list(sweep.outside.ledger.due(now=sweep.clock(), limit=_JOBS_A_SWEEP))
    known = {job.job_id for job in due}
    return [*due, *(job for job in entered if job.job_id not in known)]


def _part(what: str, work: Callable[[], T], nothing: T) -> T:
    """One part of a sweep: where the outside world is not ready for it, the others are done all the same."""
    try:
        return work()
    except (RetryLater, Refused) as error:
        logger.warning("a part of the sweep was left out", part=what, reason=error.reason)
        return nothing
