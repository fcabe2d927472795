"""A job's life: its states, the only ways between them, and what moves it on but a callback (domain/receiving.py).

    submitted ──▶ finished ──▶ stored ──▶ published ──▶ kept
        │  ╲         │ ▲          │
        ▼   ▼        ▼ │          ▼
      lost  failed  lost/rejected/failed → finished, when a later success reopens them;
                    published/kept → finished, when an audit finds that an object is gone

Functions here take a job and return the next one; nobody else changes a state.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from reelkeeper.domain.callback import Role, Sender, Timing
from reelkeeper.domain.message import Origin

HISTORY_LENGTH = 60
SETTLED_TTL = timedelta(days=90)
# A job made by `reelkeeper backfill`: of a file that was in a row already, so that no row of the table of jobs is its own.
BACKFILL_PREFIX = "backfill-"
# Until someone is done with it, a job is due again this soon: the poller is the safety net for everything.
LOOK_AGAIN = timedelta(minutes=5)
# Airtable fetches attachments on its own after it answered 200; ten minutes later it has, or never will.
VERIFY_AFTER = timedelta(minutes=10)


class JobState(StrEnum):
    """Where a job stands; see the table in docs/architecture.md."""

    SUBMITTED = "submitted"
    FINISHED = "finished"
    STORED = "stored"
    PUBLISHED = "published"
    KEPT = "kept"
    FAILED = "failed"
    LOST = "lost"
    REJECTED = "rejected"


_S = JobState
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        _S.SUBMITTED: frozenset({_S.FINISHED, _S.FAILED, _S.LOST}),
        _S.FINISHED: frozenset({_S.STORED, _S.LOST, _S.REJECTED}),
        _S.STORED: frozenset({_S.PUBLISHED, _S.REJECTED}),
        _S.PUBLISHED: frozenset({_S.KEPT, _S.FINISHED}),
        _S.KEPT: frozenset({_S.FINISHED}),
        _S.FAILED: frozenset({_S.FINISHED}),
        _S.LOST: frozenset({_S.SUBMITTED, _S.FINISHED, _S.FAILED}),
        _S.REJECTED: frozenset({_S.FINISHED}),
    }
)
# Nothing is left to do for these, once Airtable has been told.
SETTLED = frozenset({_S.KEPT, _S.FAILED, _S.REJECTED})


class IllegalMove(ValueError):
    """A state was asked for that cannot follow; always a fault in our own code."""


@dataclass(frozen=True, slots=True)
class JobOutput:
    """One output and, once it is in the bucket, what was kept of it.

    `source_url` is temporary (None for inline text); `size` in bytes; `checksum` the CRC32 of the whole object, base64 as S3
    writes it; `stored_at` None until the object is verified. `seconds` is how long NCA says it plays (None: it does not say),
    `verdict` in a few words how it plays in browsers (None until it was looked into).
    """

    source_url: str | None
    role: Role
    name: str
    key: str | None = None
    size: int | None = None
    checksum: str | None = None
    content_type: str | None = None
    permanent_url: str | None = None
    stored_at: datetime | None = None
    seconds: float | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's history, in words a person can read."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a job is in Airtable: its own row and its target's, whether the target was told, and Airtable's attachment ids.

    `attached` are the job's own files, `beside` what else was in that cell.
    """

    record_id: str | None = None
    target_id: str | None = None
    target_told: bool = False
    attached: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """NCA's unit of work as the ledger knows it.

    `told_at` is when Airtable last learned the present state (None: not yet); `due_at` when the poller looks next (None:
    never); `attempts` counts the tries since the last progress; `settled_at` starts the ledger's time to live.
    `version` grows with each write and guards it. `submitted_at` is an estimate where only the callback is known.
    `published_at` is when Airtable first showed the files (None: never did), `audits` how many looks at them passed since.
    `target_told` says that the target's row needs no second write in this state; `attached` are Airtable's ids of the job's
    own attachments, `beside` those of the others in the cell, as the last write left it; `attach_tries` counts the times they
    were attached again, `ingested_at` is when Airtable had its own copy.
    `gone_since` is since when every look found that NCA will not end the job (None: it may); see domain/evidence.py.
    """

    job_id: str
    state: JobState
    origin: Origin
    received_at: datetime
    updated_at: datetime
    record_id: str | None = None
    operation: str | None = None
    target_id: str | None = None
    endpoint: str | None = None
    outputs: tuple[JobOutput, ...] = ()
    error: str | None = None
    timing: Timing = Timing()
    sender: Sender = Sender()
    submitted_at: datetime | None = None
    due_at: datetime | None = None
    told_at: datetime | None = None
    settled_at: datetime | None = None
    gone_since: datetime | None = None
    attempts: int = 0
    resubmissions: int = 0
    published_at: datetime | None = None
    audits: int = 0
    target_told: bool = False
    attached: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    attach_tries: int = 0
    ingested_at: datetime | None = None
    history: tuple[Event, ...] = ()
    version: int = 0

    @property
    def done(self) -> bool:
        """Whether a repeated callback can change nothing: the files are kept and Airtable knows."""
        return self.told_at is not None and self.state in SETTLED | {_S.PUBLISHED}

    @property
    def rowless(self) -> bool:
        """Whether it has no row of its own, and only the address of its file is told."""
        return self.job_id.startswith(BACKFILL_PREFIX)

    @property
    def expires_at(self) -> datetime | None:
        return self.settled_at + SETTLED_TTL if self.settled_at else None


def move(job: Job, state: JobState, *, at: datetime, why: str, due_at: datetime | None) -> Job:
    """The job in its next state, Airtable not yet told; raises `IllegalMove` where the table has no such way."""
    if state not in TRANSITIONS[job.state]:
        raise IllegalMove(f"{job.job_id}: {job.state} → {state}")
    settled_at = at if state in SETTLED else None
    fresh = replace(job, told_at=None, target_told=False, gone_since=None, attempts=0)
    moved = replace(fresh, state=state, due_at=due_at, settled_at=settled_at)
    return note(moved, at=at, what=f"{state}: {why}")


def note(job: Job, *, at: datetime, what: str) -> Job:
    """The job with one more line of history; the oldest lines go first, but never the very first one."""
    history = (*job.history, Event(at=at, what=what))
    if len(history) > HISTORY_LENGTH:
        history = (history[0], *history[-HISTORY_LENGTH + 1 :])
    return replace(job, history=history, updated_at=at)


def note_once(job: Job, *, at: datetime, what: str) -> Job:
    """The job with a line of history that it may have already, and then has only once."""
    return job if any(event.what == what for event in job.history) else note(job, at=at, what=what)


def stored(job: Job, index: int, output: JobOutput, *, at: datetime) -> Job:
    """The job with one output in the bucket, and in the state `stored` when that was the last one missing."""
    outputs = (*job.outputs[:index], output, *job.outputs[index + 1 :])
    return settle_outputs(replace(job, outputs=outputs), at=at)


def settle_outputs(job: Job, *, at: datetime) -> Job:
    """`finished` becomes `stored` once every output is in the bucket, at once for a job that made no file."""
    if job.state is not _S.FINISHED or any(output.stored_at is None for output in job.outputs):
        return job
    total = sum(output.size or 0 for output in job.outputs)
    why = f"{len(job.outputs)} in the bucket, {total / 1e6:.1f} MB" if job.outputs else "the job made no file"
    return move(job, _S.STORED, at=at, why=why, due_at=at + LOOK_AGAIN)


def shown(job: Job, seen: Shown) -> Job:
    """The job with what of it is in Airtable; what a person changes there from now on is theirs."""
    if not seen.target_told:
        return replace(job, record_id=job.record_id or seen.record_id, target_id=job.target_id or seen.target_id)
    return replace(
        job,
        record_id=job.record_id or seen.record_id,
        target_id=job.target_id or seen.target_id,
        target_told=True,
        attached=seen.attached,
        beside=seen.beside,
    )


def told(job: Job, *, at: datetime, what: str) -> Job:
    """The job after Airtable has learned its state; what succeeded is published and due for a second look."""
    if job.state is _S.STORED:
        job = move(job, _S.PUBLISHED, at=at, why=what, due_at=at + VERIFY_AFTER)
        job = replace(job, published_at=job.published_at or at, audits=0)
    else:
        job = note(replace(job, due_at=None), at=at, what=what)
    return replace(job, told_at=at, attempts=0)


def reopened(job: Job, missing: Collection[int], *, at: datetime, why: str) -> Job:
    """A published job that is to be copied again, because these of its objects are gone from the bucket."""
    outputs = tuple(replace(one, stored_at=None) if index in missing else one for index, one in enumerate(job.outputs))
    return move(replace(job, outputs=outputs), _S.FINISHED, at=at, why=why, due_at=at + LOOK_AGAIN)


def tried(job: Job, *, at: datetime, why: str, due_at: datetime) -> Job:
    """The job after a try that did not get it further, with the reason, to be looked at again at `due_at`."""
    return replace(note(job, at=at, what=why), attempts=job.attempts + 1, due_at=due_at)


def carried_on(job: Job, *, at: datetime, due_at: datetime) -> Job:
    """The job whose copy came further and goes on in a next run: that was no try in vain."""
    noted = note_once(job, at=at, what="its copy is longer than one run, and goes on in the next")
    return replace(noted, attempts=0, due_at=due_at, updated_at=at)
