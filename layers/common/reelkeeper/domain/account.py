"""The conservation law: every job that NCA finished is kept, or is an exception with its reason. There is no third way."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.ping import PING

# Until then a job is on its way; afterwards somebody should know of it.
PATIENCE = timedelta(hours=1)
_KEPT = frozenset({JobState.PUBLISHED, JobState.KEPT})
_ON_THE_WAY = frozenset({JobState.FINISHED, JobState.STORED})


@dataclass(frozen=True, slots=True)
class Exemption:
    """One job that is not kept (or not known to Airtable), and why."""

    job: Job
    why: str


@dataclass(frozen=True, slots=True)
class Account:
    """The jobs heard of between two moments. `finished` = `kept` + `exceptions`, always; the others are beside the law."""

    since: datetime
    until: datetime
    finished: int = 0
    kept: int = 0
    kept_bytes: int = 0
    exceptions: tuple[Exemption, ...] = ()
    failed: int = 0
    running: int = 0
    # Beside the law, and still for a person to know: failures Airtable has not been told of, jobs open for too long.
    remarks: tuple[Exemption, ...] = ()

    @property
    def balanced(self) -> bool:
        """Whether the law holds; where it does not, the fault is ours."""
        return self.finished == self.kept + len(self.exceptions)


def account(jobs: Iterable[Job], *, since: datetime, until: datetime) -> Account:
    """Add up the jobs that were first heard of in this time; each is in exactly one place."""
    finished = kept = kept_bytes = failed = running = 0
    exceptions: list[Exemption] = []
    remarks: list[Exemption] = []
    for job in jobs:
        if not since <= job.received_at < until or job.operation == PING:
            continue
        late = until - job.received_at > PATIENCE
        if job.state in _KEPT:
            finished, kept = finished + 1, kept + 1
            kept_bytes += sum(output.size or 0 for output in job.outputs)
        elif _was_finished(job):
            finished += 1
            exceptions.append(Exemption(job, _why(job)))
        elif job.state is JobState.SUBMITTED:
            running += 1
            if late:
                remarks.append(Exemption(job, f"no word from NCA so far; {_last(job)}"))
        else:
            failed += 1
            if job.told_at is None and late:
                remarks.append(Exemption(job, f"{job.state}, and Airtable does not know yet: {_last(job)}"))
    return Account(since, until, finished, kept, kept_bytes, tuple(exceptions), failed, running, tuple(remarks))


def _was_finished(job: Job) -> bool:
    """Whether NCA had made something: a job is lost before it finished, or after."""
    return job.state in _ON_THE_WAY or job.state is JobState.REJECTED or (job.state is JobState.LOST and bool(job.outputs))


def _why(job: Job) -> str:
    if job.state in _ON_THE_WAY:
        where = "not in the bucket yet" if job.state is JobState.FINISHED else "in the bucket, not shown in Airtable yet"
        return f"{where}: {_last(job)}"
    return f"{job.state}: {(job.error or _last(job)).strip().splitlines()[-1]}"


def _last(job: Job) -> str:
    return " ".join(job.history[-1].what.split()) if job.history else "nothing is known"
