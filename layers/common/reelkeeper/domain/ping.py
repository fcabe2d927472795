"""The doctor's ping: a callback that only proves that callbacks arrive; no file is kept of it and Airtable is not told."""

from dataclasses import replace
from datetime import datetime

from reelkeeper.domain.job import Job, JobState, move

# In the address as `operation=`; no engine calls an operation so.
PING = "reelkeeper_ping"
_WAY = (JobState.FINISHED, JobState.STORED, JobState.PUBLISHED, JobState.KEPT)


def answered(job: Job, *, at: datetime) -> Job:
    """A ping that has come in is done, whatever it reports; every other job as it is."""
    if job.operation != PING or job.done:
        return job
    job = replace(job, outputs=())
    if job.state is JobState.FAILED:
        return replace(job, told_at=at, due_at=None)
    here = _WAY.index(job.state) + 1 if job.state in _WAY else 0
    for state in _WAY[here:]:
        job = move(job, state, at=at, why="a ping arrived, which is all it is for", due_at=None)
    return replace(job, told_at=at)
