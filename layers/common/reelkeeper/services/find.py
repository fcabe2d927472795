"""Finding: the open rows of Airtable's table of jobs enter the ledger on first sight, as far as they name a job of NCA."""

from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reelkeeper.adapters.airtable import Row, UnknownField
from reelkeeper.adapters.ledger import Outrun
from reelkeeper.domain.callback import WORD_CHARS
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState, note
from reelkeeper.domain.mapping import JobsTable, Mapping
from reelkeeper.domain.moment import parse_moment, show_moment
from reelkeeper.domain.timing import FIRST_LOOK
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger


@dataclass(frozen=True, slots=True)
class Entered:
    """The jobs that are new to the ledger; how many open rows name no job, are another service's, or cannot be read at all."""

    jobs: tuple[Job, ...] = ()
    unnamed: int = 0
    foreign: int = 0
    malformed: int = 0


@dataclass(slots=True)
class _Count:
    jobs: list[Job] = field(default_factory=list)
    unnamed: int = 0
    foreign: int = 0
    malformed: int = 0


def enter_rows(sweep: Round) -> Entered:
    """Read the open rows older than five minutes and enter those the ledger does not know, a page at a time.

    A younger row's callback may still come, and the engine may not have written NCA's id yet. Raises RetryLater or Refused
    where Airtable does not answer; what was read before has entered.
    """
    jobs = sweep.outside.mapping.jobs
    formula = _open_before(jobs, sweep.clock() - FIRST_LOOK)
    count = _Count()
    try:
        _enter(sweep, [jobs.external_id, jobs.type], formula, count)
    except UnknownField:
        # The base has no field for the operation: the callback's address names it, too.
        _enter(sweep, [jobs.external_id], formula, count)
    if count.unnamed or count.foreign or count.malformed:
        logger.warning("open rows left alone", unnamed=count.unnamed, foreign=count.foreign, malformed=count.malformed)
    return Entered(tuple(count.jobs), count.unnamed, count.foreign, count.malformed)


def _enter(sweep: Round, fields: Sequence[str], formula: str, count: _Count) -> None:
    table = sweep.outside.mapping.jobs.table
    for page in sweep.outside.airtable.pages(table, fields=[name for name in fields if name], formula=formula):
        found: dict[str, Job] = {}
        for row in page:
            try:
                job = job_of(row, sweep.outside.mapping, at=sweep.clock())
            except (ValueError, TypeError, AttributeError):
                count.malformed += 1
                continue
            if job is None:
                count.unnamed += 1
            elif job.operation is not None and job.operation not in sweep.outside.mapping.operations:
                # Engines keep jobs of other services in the same table: NCA knows nothing of those, which says nothing.
                count.foreign += 1
            else:
                found[job.job_id] = job
        known = sweep.outside.ledger.known(found)
        new = [job for job_id, job in found.items() if job_id not in known]
        count.jobs += [job for job in sweep.side_by_side(lambda job: _saved(job, sweep), new) if job is not None]
        if sweep.over:
            return


def _saved(job: Job, sweep: Round) -> Job | None:
    try:
        return sweep.outside.ledger.save(job)
    except (Outrun, RetryLater, Refused):
        # Its callback came at this very moment, or the ledger is busy; the row is seen again.
        return None


def job_of(row: Row, mapping: Mapping, *, at: datetime) -> Job | None:
    """The job an open row tells of, due at once; None where it names none. Raises ValueError for what cannot be read."""
    job_id = _word(row.fields.get(mapping.jobs.external_id))
    if job_id is None:
        return None
    submitted_at = parse_moment(row.created_at) if row.created_at else at
    job = Job(
        job_id=job_id,
        state=JobState.SUBMITTED,
        origin="poll",
        received_at=at,
        updated_at=at,
        record_id=row.record_id,
        operation=_operation(row.fields, mapping),
        submitted_at=min(submitted_at, at),
        due_at=at,
    )
    return note(job, at=at, what="first seen in Airtable: its callback has not come")


def _operation(fields: AbstractMapping[str, Any], mapping: Mapping) -> str | None:
    said = _word(fields.get(mapping.jobs.type)) if mapping.jobs.type else None
    if said is None:
        return None
    plain = said.lower().replace(" ", "_").replace("-", "_")
    named = (name for name, target in mapping.operations.items() if plain == name or said in target.types)
    return next(named, plain)


def _word(value: object) -> str | None:
    word = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if len(word) > WORD_CHARS:
        raise ValueError("an id that is longer than any")
    return word or None


def _open_before(jobs: JobsTable, cutoff: datetime) -> str:
    # Computed here, since nobody says when Airtable evaluates NOW() in a filter.
    states = ",".join(f"{{{jobs.status}}}='{_quoted(state)}'" for state in jobs.open)
    return f"AND(OR({states}),IS_BEFORE(CREATED_TIME(),DATETIME_PARSE('{show_moment(cutoff)}')))"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
