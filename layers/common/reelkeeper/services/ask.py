"""Asking NCA: all open jobs in one call, and singly only those it says are done, does not name, or are old enough to doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from reelkeeper.adapters.nca import Malformed, Nca, NoStatusRoute, NotFound, Status
from reelkeeper.domain.callback import Sender, parse
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.evidence import STALLED_AFTER, UNDER_WAY, JobStatus, Silence, Told
from reelkeeper.domain.fleet import Fleet, gone, renewed
from reelkeeper.domain.job import Job
from reelkeeper.domain.timing import INVESTIGATE
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger, of

# The window reaches a little further back than the oldest job, and never further than this: older ones are asked for singly.
_SPARE = timedelta(minutes=10)
_LONGEST_WINDOW = timedelta(days=7)
# So many singles without a single answer, and NCA is down: the others need not find out, too.
_ENOUGH = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What the bulk call said: the jobs' states, or why there are none (`silence` NOT_ASKED: it did speak)."""

    listed: Mapping[str, str] = field(default_factory=dict)
    answered_by: tuple[Sender, ...] = ()
    silence: Silence = Silence.NOT_ASKED


def ask_all(sweep: Round, jobs: Sequence[Job]) -> Asked:
    """One call for all of them; an NCA that does not answer is one warning, and nobody is asked about any job then."""
    nca = sweep.outside.nca
    if nca is None or not jobs:
        return Asked(silence=Silence.NO_ROUTE)
    oldest = max(age(job, sweep) for job in jobs)
    try:
        answer = sweep.side_by_side(lambda window: nca.statuses(since=window), [min(oldest + _SPARE, _LONGEST_WINDOW)])[0]
    except NoStatusRoute:
        # The two routes did not come with the same build.
        return Asked()
    except Malformed as error:
        logger.warning("NCA's list of jobs cannot be read", reason=error.reason)
        return Asked(silence=Silence.MALFORMED)
    except (RetryLater, Refused) as error:
        logger.warning("NCA cannot be asked: every open job stays due", reason=error.reason)
        return Asked(silence=Silence.NO_ANSWER)
    if answer is None:
        logger.warning("NCA cannot be asked: every open job stays due", reason="its answer did not come in time")
        return Asked(silence=Silence.NO_ANSWER)
    return Asked(answer.statuses, (answer.answered_by,))


def wants_a_single(job: Job, asked: Asked, fleet: Fleet, sweep: Round) -> bool:
    """Whether the bulk answer is not enough: done or failed, not in it, or under way and in doubt.

    That is after thirty minutes, as soon as NCA was restarted, and when nothing in its queue moves: its files say "queued" for
    ever then.
    """
    if asked.listed.get(job.job_id) not in UNDER_WAY or age(job, sweep) >= INVESTIGATE:
        return True
    stalled = fleet.idle_since is not None and sweep.clock() - fleet.idle_since >= STALLED_AFTER
    return stalled or renewed(fleet, since=job.received_at)


def ask_singly(sweep: Round, jobs: Sequence[Job]) -> dict[str, Status | NotFound | Silence]:
    """The single answers, side by side, by job id."""
    nca = sweep.outside.nca
    if nca is None:
        return {job.job_id: Silence.NO_ROUTE for job in jobs}
    answers = sweep.side_by_side(lambda job: _single(nca, job), jobs)
    return {job.job_id: answer or Silence.NO_ANSWER for job, answer in zip(jobs, answers, strict=True)}


def _single(nca: Nca, job: Job) -> Status | NotFound | Silence:
    try:
        return nca.status(job.job_id)
    except NotFound as error:
        return error
    except NoStatusRoute:
        return Silence.NO_ROUTE
    except Malformed as error:
        logger.warning("NCA's answer cannot be read", **of(job, reason=error.reason))
        return Silence.MALFORMED
    except (RetryLater, Refused):
        return Silence.NO_ANSWER


def down(answers: Mapping[str, Status | NotFound | Silence]) -> bool:
    """Whether these answers show that NCA stopped answering in the middle of the sweep."""
    return len(answers) >= _ENOUGH and all(answer is Silence.NO_ANSWER for answer in answers.values())


def workers(answers: Mapping[str, Status | NotFound | Silence]) -> list[Sender]:
    """The workers that gave these answers."""
    return [answer.answered_by for answer in answers.values() if isinstance(answer, Status | NotFound)]


def told(answer: Status | NotFound | Silence, job: Job, *, fleet: Fleet, sweep: Round) -> Told | Silence:
    """A single answer as evidence."""
    if isinstance(answer, NotFound):
        return Silence.NOT_FOUND
    if isinstance(answer, Silence):
        return answer
    seen = fleet.answered(answer.sender, since=job.received_at) or age(job, sweep) < INVESTIGATE
    return Told(
        job_status=cast(JobStatus, answer.job_status),
        worker=answer.sender,
        report=parse(answer.report, {}) if answer.report is not None else None,
        worker_gone=gone(fleet, answer.sender, since=job.received_at, workers=sweep.outside.recovery.nca_workers),
        worker_seen=seen,
    )


def age(job: Job, sweep: Round) -> timedelta:
    """How long ago the job was submitted, as far as is known."""
    return max(sweep.clock() - (job.submitted_at or job.received_at), timedelta())
