"""What is known of an open job, weighed: from evidence to a verdict, with a reason a person understands.

Only proof fails a job (rule 4 of the design). Age is no proof, silence is none, and neither is a guessed address that answers
403 or 404: a job of 44 minutes was a success, and a file that was declared lost lay there under another name. The table in
docs/recovery.md says the same in words.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

from reelkeeper.domain.callback import Callback, Sender

# What looks gone must look gone again after this long: a status call may meet a replica or a volume that is just coming up.
CONFIRMED_AFTER = timedelta(minutes=10)
# So long must nothing run although jobs wait. Between two jobs NCA's thread sends a callback, which may take its time.
STALLED_AFTER = timedelta(minutes=10)

JobStatus: TypeAlias = Literal["queued", "running", "done", "submitted", "failed"]
UNDER_WAY: frozenset[str] = frozenset({"queued", "running", "submitted"})


class Verdict(StrEnum):
    """What the evidence amounts to."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    NCA_RESTARTED = "nca_restarted"
    THREAD_DEAD = "thread_dead"
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"


class Silence(StrEnum):
    """Why NCA's status route said nothing of the job itself."""

    NOT_ASKED = "not_asked"
    NOT_FOUND = "not_found"
    NO_ROUTE = "no_route"
    NO_ANSWER = "no_answer"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Told:
    """What the status route said of the job: its state, the worker it belongs to, and the callback NCA made, once there is one.

    `worker_gone` says that this worker is proven to be dead (domain/fleet.py), not merely that another one answered;
    `worker_seen` that it has answered since the job was heard of, or that there was no occasion.
    """

    job_status: JobStatus
    worker: Sender
    report: Callback | None
    worker_gone: bool = False
    worker_seen: bool = True


@dataclass(frozen=True, slots=True)
class Search:
    """What lies in NCA's bucket under the job's names, in order.

    `whole` says that the bucket was listed, so that what is not here is not there; without it names were guessed one by one,
    and absence says nothing. `settled` says that nothing was added for a while: more may follow the first file.
    """

    urls: tuple[str, ...] = ()
    whole: bool = False
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a sweep knows of one job.

    `listed` is the bulk answer's word on it (None: not in it); `told` the single answer, or why there is none; `search` None
    where the bucket was not looked into; `expected` how many files its request asks for, where that is known; `gone_for` how
    long every look has found it gone; `idle_for` how long nothing has run at NCA although jobs wait.
    """

    listed: str | None = None
    told: Told | Silence = Silence.NOT_ASKED
    search: Search | None = None
    expected: int | None = None
    gone_for: timedelta = timedelta()
    idle_for: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and why.

    `proven` says that the job may be given up on the strength of it, `by_files` that its files say it is finished, not NCA.
    """

    verdict: Verdict
    why: str
    proven: bool = False
    by_files: bool = False

    @property
    def gone(self) -> bool:
        """Whether NCA will not bring the job to an end, as far as can be seen now."""
        return self.verdict in (Verdict.NCA_RESTARTED, Verdict.FORGOTTEN)


def judge(evidence: Evidence) -> Judgement:
    """Weigh the evidence; whatever is missing or contradictory makes the verdict weaker, never wrong."""
    told = evidence.told
    if isinstance(told, Told):
        return _by_word(told, evidence)
    if told is Silence.NOT_FOUND:
        return _without(Verdict.FORGOTTEN, "NCA does not know the job any more", evidence)
    if evidence.listed in UNDER_WAY:
        return Judgement(Verdict.RUNNING, f"NCA lists it as {evidence.listed}")
    if told is Silence.NO_ROUTE and _complete(evidence):
        return Judgement(Verdict.FINISHED, f"NCA has no status route, but {_files(evidence)} in its bucket", by_files=True)
    return Judgement(Verdict.UNKNOWN, _SILENT[told])


def _by_word(told: Told, evidence: Evidence) -> Judgement:
    """NCA spoke of this job: its own report outweighs everything else, a state only as long as its worker lives."""
    if told.report is not None and told.report.outcome == "success":
        return Judgement(Verdict.FINISHED, "NCA says that it is done; its callback did not come")
    if told.report is not None and told.report.outcome == "failure":
        return Judgement(Verdict.FAILED, f"NCA says that it failed: {told.report.error}", proven=True)
    if told.job_status in UNDER_WAY:
        return _under_way(told, evidence)
    if _complete(evidence):
        return Judgement(
            Verdict.FINISHED,
            f"NCA says {told.job_status} without a report, and {_files(evidence)} in its bucket",
            by_files=True,
        )
    return Judgement(Verdict.UNKNOWN, f"NCA says {told.job_status}, but neither success nor failure")


def _under_way(told: Told, evidence: Evidence) -> Judgement:
    """NCA's file says that the job waits or runs; after the death of its worker it says so for ever."""
    if told.worker_gone:
        why = f"NCA had it {told.job_status} in a worker that is gone (pid {told.worker.pid})"
        return _without(Verdict.NCA_RESTARTED, why, evidence)
    if told.job_status == "queued" and evidence.idle_for >= STALLED_AFTER:
        return Judgement(Verdict.THREAD_DEAD, "NCA has it queued, but nothing in its queue moves: restart NCA to free it")
    if not told.worker_seen:
        why = (
            f"NCA's file says {told.job_status}, in a worker that has not answered since; if NCA was restarted, set NcaWorkers"
        )
        return Judgement(Verdict.RUNNING, f"{why} so that this can be proven")
    return Judgement(Verdict.RUNNING, f"NCA says that it is {told.job_status}")


def _without(verdict: Verdict, why: str, evidence: Evidence) -> Judgement:
    """NCA will not finish it: then the bucket decides, and only a bucket that was listed can say no."""
    search = evidence.search
    if _complete(evidence):
        return Judgement(Verdict.FINISHED, f"{why}, but {_files(evidence)} in its bucket", by_files=True)
    if search is None or (not search.whole and not search.urls):
        return Judgement(verdict, f"{why}; whether its file exists is unknown, since NCA's bucket cannot be listed")
    if search.urls and evidence.expected is None:
        return Judgement(verdict, f"{why}; files came into its bucket just now, and more may follow")
    if search.urls and not search.whole:
        return Judgement(verdict, f"{why}; only {len(search.urls)} of {evidence.expected} files were found by guessing")
    found = f"only {len(search.urls)} of {evidence.expected} files are" if search.urls else "nothing of it is"
    if evidence.gone_for < CONFIRMED_AFTER:
        return Judgement(verdict, f"{why} and {found} in its bucket; looked at again before it is given up")
    return Judgement(verdict, f"{why}, and {found} in its bucket", proven=True)


def _complete(evidence: Evidence) -> bool:
    """Whether the files are all there: a worker may have died between two uploads, or be between them now."""
    search = evidence.search
    if search is None or not search.urls:
        return False
    return search.settled if evidence.expected is None else len(search.urls) >= evidence.expected


def _files(evidence: Evidence) -> str:
    found = len(evidence.search.urls) if evidence.search else 0
    return "its file is" if found == 1 else f"its {found} files are"


_SILENT = {
    Silence.NOT_ASKED: "NCA was not asked about it",
    Silence.NO_ROUTE: "NCA has no status route, and no file of the job was found",
    Silence.NO_ANSWER: "NCA did not answer",
    Silence.MALFORMED: "NCA's answer could not be read",
    Silence.NOT_FOUND: "NCA does not know the job any more",
}
