"""What the sweep does by itself, done by an operator for chosen jobs and at once: recover, or hand in anew."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.services.act import send_again
from reelkeeper.services.audit import audit
from reelkeeper.services.open_jobs import Recovered, recover
from reelkeeper.services.outside import Outside
from reelkeeper.services.resubmit import Loss, resubmit
from reelkeeper.services.round import Round

# As long as the poller's own; an operator who waits longer calls it again.
_LASTS = timedelta(minutes=4)
# A job that has ended, and whose row may go on with a new one.
RESUBMITTABLE = frozenset({JobState.FAILED, JobState.LOST, JobState.REJECTED})


@dataclass(frozen=True, slots=True)
class By:
    """An operator at work: the systems, the clock, a name for the right to sweep."""

    outside: Outside
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    owner: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What recovering comes to, before it is done: jobs to ask NCA about, to send in again, to audit; and those at rest."""

    ask: tuple[Job, ...] = ()
    send: tuple[Job, ...] = ()
    audit: tuple[Job, ...] = ()
    rest: tuple[Job, ...] = ()

    @property
    def count(self) -> int:
        return len(self.ask) + len(self.send) + len(self.audit)


@dataclass(frozen=True, slots=True)
class Done:
    """What recovering came to."""

    sent: int = 0
    lost: int = 0
    resubmitted: int = 0
    audited: int = 0


@dataclass(frozen=True, slots=True)
class HandedIn:
    """Jobs that were handed in anew, and why others were not, by job id."""

    done: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)


def plan(jobs: Sequence[Job]) -> Plan:
    """What the sweep would do with these jobs, whether they are due or not."""
    submitted = tuple(job for job in jobs if job.state is JobState.SUBMITTED)
    published = tuple(job for job in jobs if job.state is JobState.PUBLISHED)
    rest = tuple(job for job in jobs if job.state is JobState.KEPT or (job.told_at is not None and job not in published))
    unfinished = tuple(job for job in jobs if job not in submitted and job not in published and job not in rest)
    return Plan(ask=submitted, send=unfinished, audit=published, rest=rest)


def recover_now(planned: Plan, *, by: By) -> Done:
    """Do it; raises Refused while a sweep of the poller has the right to."""
    with _round(by) as here:
        sent = send_again(here, planned.send)
        recovered = recover(here, planned.ask) if planned.ask else Recovered()
        # Only these: at a sweep's end those that are kept have their turn as well.
        audited = (
            audit(planned.audit, outside=by.outside, clock=by.clock, chance=by.chance, ends_at=here.ends_at).looked_at
            if planned.audit
            else 0
        )
    return Done(sent + recovered.sent, recovered.lost, recovered.resubmitted, audited)


def resubmit_now(jobs: Sequence[Job], *, by: By) -> HandedIn:
    """Hand these jobs in anew, as the mapping says; raises Refused while a sweep has the right to."""
    operations = by.outside.mapping.operations
    refused: dict[str, str] = {}
    for job in jobs:
        target = operations.get(job.operation or "")
        if target is None or not target.resubmit:
            refused[job.job_id] = (
                f'the mapping does not allow it: write resubmit = "nca" or "engine" under [operations.{job.operation or "…"}]'
            )
        elif not job.record_id:
            refused[job.job_id] = "its row in Airtable is not known"
    with _round(by) as here:
        allowed = [Loss(job, was_running=False) for job in jobs if job.job_id not in refused]
        done = resubmit(here, allowed, reasons=refused)
    return HandedIn(tuple(done), refused)


@contextmanager
def _round(by: By) -> Iterator[Round]:
    at = by.clock()
    ends_at = at + _LASTS
    if not by.outside.notebook.begin_sweep(owner=by.owner, now=at, until=ends_at):
        raise Refused("The poller is sweeping right now: repeat the command in a minute.")
    try:
        yield Round(by.outside, by.clock, by.chance, ends_at, origin="operator")
    finally:
        with suppress(RetryLater):
            by.outside.notebook.end_sweep(owner=by.owner)
