"""Tell Airtable about a batch of jobs: read their rows and targets once each, write what differs, ten rows at a time."""

from collections import defaultdict
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reelkeeper.adapters.airtable import Row
from reelkeeper.domain.attaching import attached_ids, not_attached
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import Job, JobState, Shown
from reelkeeper.domain.mapping import JobsTable, Mapping, Target
from reelkeeper.domain.telling import job_changes, target_changes, target_id
from reelkeeper.services.desk import Airtable, Desk, Failure, Place

__all__ = ["Airtable", "NoRow", "Telling", "publish"]


class NoRow(Refused):
    """The job's own row is not there, or not yet: the engine may write it after the callback came."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How telling went: in words when Airtable shows the job's state now, else the error; `shown` is true in both cases."""

    what: str = ""
    error: Failure | None = None
    shown: Shown = Shown()


def publish(jobs: Sequence[Job], *, airtable: Airtable, mapping: Mapping) -> dict[str, Telling]:
    """Make Airtable show these jobs' states; returns how it went for each, by job id."""
    desk = Desk(airtable)
    try:
        rows = _rows(jobs, desk, mapping.jobs, _links(jobs, mapping))
        targets = _targets(jobs, rows, desk, mapping)
    except (RetryLater, Refused) as error:
        return {job.job_id: Telling(error=error) for job in jobs}
    outdone = _outdone(jobs, rows, mapping.jobs)
    for job in jobs:
        if job.job_id in targets and not job.target_told and job.published_at is None:
            target, place = targets[job.job_id]
            if place in desk.seen and job.job_id not in outdone:
                desk.change(place, target_changes(job, target, desk.seen[place]))
    for target in {target.table: target for target, _ in targets.values()}.values():
        desk.write(target.table, optional=(target.url, target.status))
    for job in jobs:
        row = rows.get(job.job_id)
        if row is not None and job.job_id not in outdone and not _waits(job, targets, desk):
            place = (mapping.jobs.table, row.record_id)
            shown = _shown(job, row, targets, desk)
            seen = replace(job, attached=shown.attached)
            desk.change(place, job_changes(seen, mapping.jobs, desk.seen[place], remark=_remark(job, targets, desk)))
    desk.write(mapping.jobs.table, optional=(mapping.jobs.response, mapping.jobs.error, mapping.jobs.history))
    told = {job.job_id: _telling(job, rows.get(job.job_id), targets, desk, mapping.jobs) for job in jobs}
    return told | {job_id: Telling("Airtable keeps the success of another job of this row") for job_id in outdone}


_Targets = AbstractMapping[str, tuple[Target, Place]]


def _links(jobs: Sequence[Job], mapping: Mapping) -> list[str]:
    operations = {job.operation for job in jobs}
    return [target.link for name, target in mapping.operations.items() if name in operations and target.link]


def _rows(jobs: Sequence[Job], desk: Desk, table: JobsTable, links: Sequence[str]) -> dict[str, Row]:
    """The jobs' own rows by job id: named by the callback, else the one that carries NCA's id."""
    own = (table.status, table.response, table.error, table.request, table.history)
    fields = [name for name in (*own, *links) if name]
    named = {job.job_id: job.record_id for job in jobs if job.record_id}
    by_id = desk.airtable.rows(table.table, tuple(named.values()), fields=fields) if named else {}
    nameless = [job.job_id for job in jobs if job.job_id not in named and not job.rowless]
    by_job = desk.airtable.rows_with(table.table, table.external_id, nameless, fields=fields) if nameless else {}
    found = {job_id: by_id[record_id] for job_id, record_id in named.items() if record_id in by_id} | by_job
    desk.note(table.table, found.values())
    return found


def _targets(jobs: Sequence[Job], rows: AbstractMapping[str, Row], desk: Desk, mapping: Mapping) -> _Targets:
    """Where the outputs go, by job id; each table's rows read in one call."""
    found: dict[str, tuple[Target, Place]] = {}
    for job in jobs:
        target = mapping.operations.get(job.operation or "")
        row = rows.get(job.job_id, Row("", {})) if job.rowless else rows.get(job.job_id)
        if target is not None and row is not None:
            record_id = target_id(job, target, row.fields, mapping.jobs)
            if record_id:
                found[job.job_id] = target, (target.table, record_id)
    wanted: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for target, (table, record_id) in found.values():
        records, fields = wanted[table]
        records.add(record_id)
        fields.update(name for name in (target.attachment, target.url, target.status) if name)
    for table, (records, fields) in wanted.items():
        desk.note(table, desk.airtable.rows(table, sorted(records), fields=sorted(fields)).values())
    return found


def _outdone(jobs: Sequence[Job], rows: AbstractMapping[str, Row], table: JobsTable) -> frozenset[str]:
    """The failed jobs whose row another job has completed, or is about to: their failure is no news."""
    good = {rows[job.job_id].record_id for job in jobs if job.state is JobState.STORED and job.job_id in rows}
    # A job that was published itself and has lost its files since completed the row itself.
    failed = [
        (job.job_id, rows[job.job_id])
        for job in jobs
        if job.state is not JobState.STORED and job.job_id in rows and job.published_at is None
    ]
    return frozenset(
        job_id for job_id, row in failed if row.record_id in good or row.fields.get(table.status) == table.completed
    )


def _waits(job: Job, targets: _Targets, desk: Desk) -> bool:
    """Whether the job's own row must not be written yet: its target could not be, and still can be later."""
    failure = desk.failures.get(targets[job.job_id][1]) if job.job_id in targets else None
    return isinstance(failure, RetryLater)


def _shown(job: Job, row: Row | None, targets: _Targets, desk: Desk) -> Shown:
    """What of the job is in Airtable now, for the ledger to remember."""
    record_id = row.record_id if row is not None else None
    if job.job_id not in targets:
        return Shown(record_id=record_id)
    target, place = targets[job.job_id]
    if place not in desk.seen or place in desk.failures:
        return Shown(record_id=record_id, target_id=place[1])
    attached, beside = attached_ids(job, target, desk.now(place).get(target.attachment))
    return Shown(record_id=record_id, target_id=place[1], target_told=True, attached=attached, beside=beside)


def _remark(job: Job, targets: _Targets, desk: Desk) -> str | None:
    """What a person should know although the job succeeded."""
    if job.job_id not in targets:
        return None
    target, place = targets[job.job_id]
    if place not in desk.seen:
        return f"the file is kept, but its record {place[1]} is not in {place[0]}"
    failure = desk.failures.get(place)
    if failure:
        return f"the file is kept, but could not be attached: {failure.reason}"
    return desk.dropped.get(place) or (not_attached(job, target) if job.state is JobState.STORED else None)


def _telling(job: Job, row: Row | None, targets: _Targets, desk: Desk, table: JobsTable) -> Telling:
    shown = _shown(job, row, targets, desk)
    own = (table.table, row.record_id) if row is not None else None
    if (own is None and not job.rowless) or isinstance(desk.failures.get(own or ("", "")), Gone):
        error = NoRow(f"{table.table} has no row for job {job.job_id} (record {job.record_id})")
        return Telling(error=error, shown=shown)
    target = targets[job.job_id][1] if job.job_id in targets else None
    for place in (target, own):
        failure = desk.failures.get(place) if place is not None else None
        if failure is not None and not isinstance(failure, Gone):
            return Telling(error=failure, shown=shown)
    where = " and ".join(
        f"{name} {record_id}" for name, record_id in (one for one in (target, own) if one in desk.seen and one)
    )
    remark = _remark(job, targets, desk) or (desk.dropped.get(own) if own else None)
    return Telling(f"Airtable shows it ({where})" + (f"; {remark}" if remark else ""), shown=shown)
