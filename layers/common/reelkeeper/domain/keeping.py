"""How long a file is looked after: when it is looked at next, and what it takes to call it kept.

Ten minutes, a day and a week after Airtable showed it; then it is kept, and looked at again once in a month or two for good.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from reelkeeper.domain.job import VERIFY_AFTER, Job, JobState, move, note

LOOKS = (VERIFY_AFTER, timedelta(hours=24), timedelta(days=7))
# Each look renews the ledger's 90 days, so that a kept file's account is there for as long as the looks go on.
SAMPLED_AFTER, SAMPLED_WITHIN = timedelta(days=30), timedelta(days=30)
# The first file is attached with the row; Airtable gets two more chances to fetch it.
ATTACHED_AGAIN_AT_MOST = 2


def passed(job: Job, *, at: datetime, why: str, chance: float) -> Job:
    """The job after a look that found all its files whole; `chance` in [0, 1) spreads what is kept over a month."""
    next_sample = at + SAMPLED_AFTER + SAMPLED_WITHIN * chance
    if job.state is JobState.KEPT:
        seen = replace(job, settled_at=at, due_at=next_sample, attempts=0, audits=job.audits + 1)
        return note(seen, at=at, what=why)
    published_at = job.published_at or job.told_at or at
    # After a time without sweeps one look stands for all that were missed.
    passed_by = sum(published_at + after <= at for after in LOOKS)
    audits = max(job.audits + 1, passed_by)
    if audits < len(LOOKS):
        return note(replace(job, audits=audits, due_at=published_at + LOOKS[audits], attempts=0), at=at, what=why)
    kept = move(replace(job, audits=audits), JobState.KEPT, at=at, why=why, due_at=next_sample)
    # Nothing new to tell.
    return replace(kept, told_at=job.told_at)


def ingested(job: Job, *, at: datetime) -> Job:
    """The job once Airtable has its own copy of every attached file: from now on what is in the cell is people's."""
    return replace(job, ingested_at=job.ingested_at or at)


def attached_again(job: Job, attached: tuple[str, ...], beside: tuple[str, ...], *, at: datetime, why: str) -> Job:
    """The job after its files were attached once more, to be looked at when Airtable has had time to fetch them."""
    again = replace(job, attached=attached, beside=beside, attach_tries=job.attach_tries + 1, due_at=at + VERIFY_AFTER)
    return note(again, at=at, what=why)
