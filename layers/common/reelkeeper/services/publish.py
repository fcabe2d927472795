"""Tell Airtable about a batch of jobs: read their rows and targets once each, write what differs, ten rows at a time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reelkeeper.adapters.airtable import Row, UnknownField, UnknownOption
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.mapping import JobsTable, Mapping, Target
from reelkeeper.domain.telling import job_changes, target_changes, target_id

Failure = RetryLater | Refused


class Airtable(Protocol):
    def rows(self, table: str, record_ids: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]: ...
    def rows_with(self, table: str, field: str, values: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]: ...
    def write(self, table: str, rows: Sequence[Row]) -> None: ...


class NoRow(Refused):
    """The job's own row is not there, or not yet: the engine may write it after the callback came."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How telling went: in words when Airtable shows the job's state now, else the error; which record shows the output."""

    what: str = ""
    error: Failure | None = None
    target_id: str | None = None


@dataclass(slots=True)
class _Desk:
    """The rows as they will be: what was read, what is to change in each, and what went wrong, by table and record id."""

    airtable: Airtable
    seen: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    changes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    dropped: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, table: str, rows: Iterable[Row]) -> None:
        for row in rows:
            self.seen.setdefault((table, row.record_id), dict(row.fields))

    def change(self, place: tuple[str, str], changes: AbstractMapping[str, Any]) -> None:
        # Two jobs of one row in a batch: the second is compared with what the first is going to write.
        self.seen[place].update(changes)
        if changes:
            self.changes[place].update(changes)

    def write(self, table: str, *, optional: Sequence[str]) -> None:
        """Write all changes to one table; one row that Airtable refuses does not hold up the others."""
        rows = [Row(record_id, changes) for (of, record_id), changes in self.changes.items() if of == table]
        self._write(table, rows, optional=optional)

    def _write(self, table: str, rows: Sequence[Row], *, optional: Sequence[str]) -> None:
        if not rows:
            return
        try:
            self.airtable.write(table, rows)
        except RetryLater as error:
            self.failures.update({(table, row.record_id): error for row in rows})
        except Refused as error:
            if len(rows) > 1:
                for row in rows:
                    self._write(table, [row], optional=optional)
            else:
                self._write_less(table, rows[0], error, optional=optional)

    def _write_less(self, table: str, row: Row, error: Refused, *, optional: Sequence[str]) -> None:
        """Leave out what the base may lack, a field or an option: better the file without its status than no file."""
        less = {name: value for name, value in row.fields.items() if name not in optional}
        if not isinstance(error, UnknownField | UnknownOption) or not less or len(less) == len(row.fields):
            self.failures[(table, row.record_id)] = error
            return
        self.dropped[(table, row.record_id)] = error.reason
        self._write(table, [Row(row.record_id, less)], optional=())


def publish(jobs: Sequence[Job], *, airtable: Airtable, mapping: Mapping) -> dict[str, Telling]:
    """Make Airtable show these jobs' states; returns how it went for each, by job id."""
    desk = _Desk(airtable)
    try:
        rows = _rows(jobs, desk, mapping.jobs, _links(jobs, mapping))
        targets = _targets(jobs, rows, desk, mapping)
    except (RetryLater, Refused) as error:
        return {job.job_id: Telling(error=error) for job in jobs}
    outdone = _outdone(jobs, rows, mapping.jobs)
    for job in jobs:
        if job.job_id in targets:
            target, place = targets[job.job_id]
            if place in desk.seen and job.job_id not in outdone:
                desk.change(place, target_changes(job, target, desk.seen[place]))
    for target in {target.table: target for target, _ in targets.values()}.values():
        desk.write(target.table, optional=(target.url, target.status))
    for job in jobs:
        row = rows.get(job.job_id)
        if row is not None and job.job_id not in outdone and not _waits(job, targets, desk):
            place = (mapping.jobs.table, row.record_id)
            desk.change(place, job_changes(job, mapping.jobs, desk.seen[place], remark=_remark(job, targets, desk)))
    desk.write(mapping.jobs.table, optional=(mapping.jobs.response, mapping.jobs.error))
    told = {job.job_id: _telling(job, rows.get(job.job_id), targets, desk, mapping.jobs) for job in jobs}
    return told | {job_id: Telling("Airtable keeps the success of another job of this row") for job_id in outdone}


_Targets = AbstractMapping[str, tuple[Target, tuple[str, str]]]


def _links(jobs: Sequence[Job], mapping: Mapping) -> list[str]:
    operations = {job.operation for job in jobs}
    return [target.link for name, target in mapping.operations.items() if name in operations and target.link]


def _rows(jobs: Sequence[Job], desk: _Desk, table: JobsTable, links: Sequence[str]) -> dict[str, Row]:
    """The jobs' own rows by job id: named by the callback, else the one that carries NCA's id."""
    fields = [name for name in (table.status, table.response, table.error, table.request, *links) if name]
    named = {job.job_id: job.record_id for job in jobs if job.record_id}
    by_id = desk.airtable.rows(table.table, tuple(named.values()), fields=fields) if named else {}
    nameless = [job.job_id for job in jobs if job.job_id not in named]
    by_job = desk.airtable.rows_with(table.table, table.external_id, nameless, fields=fields) if nameless else {}
    found = {job_id: by_id[record_id] for job_id, record_id in named.items() if record_id in by_id} | by_job
    desk.note(table.table, found.values())
    return found


def _targets(jobs: Sequence[Job], rows: AbstractMapping[str, Row], desk: _Desk, mapping: Mapping) -> _Targets:
    """Where the outputs go, by job id; each table's rows read in one call."""
    found: dict[str, tuple[Target, tuple[str, str]]] = {}
    for job in jobs:
        target = mapping.operations.get(job.operation or "")
        row = rows.get(job.job_id)
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
    failed = [(job.job_id, rows[job.job_id]) for job in jobs if job.state is not JobState.STORED and job.job_id in rows]
    return frozenset(
        job_id for job_id, row in failed if row.record_id in good or row.fields.get(table.status) == table.completed
    )


def _waits(job: Job, targets: _Targets, desk: _Desk) -> bool:
    """Whether the job's own row must not be written yet: its target could not be, and still can be later."""
    failure = desk.failures.get(targets[job.job_id][1]) if job.job_id in targets else None
    return isinstance(failure, RetryLater)


def _remark(job: Job, targets: _Targets, desk: _Desk) -> str | None:
    """What a person should know although the job succeeded."""
    if job.job_id not in targets:
        return None
    place = targets[job.job_id][1]
    if place not in desk.seen:
        return f"the file is kept, but its record {place[1]} is not in {place[0]}"
    failure = desk.failures.get(place)
    return f"the file is kept, but could not be attached: {failure.reason}" if failure else desk.dropped.get(place)


def _telling(job: Job, row: Row | None, targets: _Targets, desk: _Desk, table: JobsTable) -> Telling:
    own = (table.table, row.record_id) if row is not None else None
    if own is None or isinstance(desk.failures.get(own), Gone):
        return Telling(error=NoRow(f"{table.table} has no row for job {job.job_id} (record {job.record_id})"))
    target = targets[job.job_id][1] if job.job_id in targets else None
    for place in (target, own):
        failure = desk.failures.get(place) if place is not None else None
        if failure is not None and not isinstance(failure, Gone):
            return Telling(error=failure)
    where = " and ".join(
        f"{name} {record_id}" for name, record_id in (one for one in (target, own) if one in desk.seen and one)
    )
    remark = _remark(job, targets, desk) or desk.dropped.get(own)
    what = f"Airtable shows it ({where})" + (f"; {remark}" if remark else "")
    return Telling(what, target_id=target[1] if target is not None else None)
