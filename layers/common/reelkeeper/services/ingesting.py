"""Ten minutes later: did Airtable fetch what was attached? If not it is attached again, twice at most, and then said so."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reelkeeper.adapters.airtable import Row
from reelkeeper.domain.attaching import LEFT_OUT, Cell, attachable, attached_anew, attached_ids, look_at
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job
from reelkeeper.domain.keeping import ATTACHED_AGAIN_AT_MOST, attached_again, ingested
from reelkeeper.domain.mapping import JobsTable, Target
from reelkeeper.domain.mapping import Mapping as Places
from reelkeeper.domain.telling import history_line
from reelkeeper.metric import Metric
from reelkeeper.services.desk import Airtable, Desk, Place
from reelkeeper.telemetry import logger, of, record

_GIVEN_UP = "Airtable could not fetch the file in {tries} tries; it is kept at {url}"
_EDITED = "somebody changed the attachments: left as they are"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a job's attachments. `job` is what is known now; `waits` says that it was attached once more."""

    job: Job
    what: str = ""
    waits: bool = False


def verify(jobs: Sequence[Job], *, airtable: Airtable, mapping: Places, at: datetime) -> dict[str, Ingested]:
    """Look at the cells of these jobs, one read for a hundred; raises RetryLater or Refused where they cannot be read."""
    desk = Desk(airtable)
    places = {job.job_id: place for job in jobs if (place := _place(job, mapping)) is not None}
    _read(desk, places)
    found = {job.job_id: _look(job, places.get(job.job_id), desk, at) for job in jobs}
    for table in {target.table for target, _ in places.values()}:
        desk.write(table, optional=())
    done = {job_id: _written(one, places.get(job_id), desk, at) for job_id, one in found.items()}
    _tell(done, desk, mapping.jobs)
    return done


def _place(job: Job, mapping: Places) -> tuple[Target, Place] | None:
    target = mapping.operations.get(job.operation or "")
    if target is None or not job.target_id or job.ingested_at is not None or not attachable(job, target):
        return None
    if job.rowless and not job.attached:
        # Airtable had the file before we did.
        return None
    return target, (target.table, job.target_id)


def _read(desk: Desk, places: Mapping[str, tuple[Target, Place]]) -> None:
    wanted: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for target, (table, record_id) in places.values():
        wanted[table][0].add(record_id)
        wanted[table][1].add(target.attachment)
    for table, (records, fields) in wanted.items():
        desk.note(table, desk.airtable.rows(table, sorted(records), fields=sorted(fields)).values())


def _look(job: Job, found: tuple[Target, Place] | None, desk: Desk, at: datetime) -> Ingested:
    if found is None:
        return Ingested(ingested(job, at=at))
    target, place = found
    if place not in desk.seen:
        return Ingested(ingested(job, at=at), f"record {place[1]} is not in {place[0]} any more")
    there = desk.seen[place].get(target.attachment)
    cell = look_at(job, target, there)
    if cell is Cell.WHOLE:
        return Ingested(ingested(job, at=at), "Airtable has its own copy")
    if cell is Cell.EDITED:
        return Ingested(ingested(job, at=at), _EDITED)
    if job.attach_tries >= ATTACHED_AGAIN_AT_MOST:
        files = attachable(job, target)
        why = _GIVEN_UP.format(tries=job.attach_tries + 1, url=files[0].permanent_url)
        logger.error("attachment given up", **of(job))
        return Ingested(ingested(job, at=at), why)
    desk.change(place, {target.attachment: attached_anew(job, target, there)})
    return Ingested(job, f"Airtable had not fetched the file ({cell}): attached again", waits=True)


def _written(one: Ingested, found: tuple[Target, Place] | None, desk: Desk, at: datetime) -> Ingested:
    """What was attached again, with its new ids; a write that was refused is as good as a try."""
    if not one.waits or found is None:
        return one
    target, place = found
    failure = desk.failures.get(place)
    if isinstance(failure, RetryLater):
        raise failure
    record(Metric.ATTACHMENTS_MENDED_TOTAL)
    attached, beside = attached_ids(one.job, target, desk.now(place).get(target.attachment))
    what = f"{one.what}: {failure.reason}" if isinstance(failure, Refused) else one.what
    return Ingested(attached_again(one.job, attached, beside, at=at, why=what), what, waits=True)


def _tell(done: Mapping[str, Ingested], desk: Desk, table: JobsTable) -> None:
    """The jobs' own rows say how it ended, where more than one try was needed."""
    ended = {one.job.record_id: one for one in done.values() if not one.waits and one.job.attach_tries and one.job.record_id}
    if not ended:
        return
    fields = [name for name in (table.error, table.history) if name]
    rows = desk.airtable.rows(table.table, tuple(ended), fields=fields)
    desk.note(table.table, rows.values())
    for record_id, row in rows.items():
        desk.change((table.table, record_id), _row_changes(ended[record_id], row, table))
    desk.write(table.table, optional=fields)


def _row_changes(one: Ingested, row: Row, table: JobsTable) -> dict[str, str | None]:
    given_up = one.what.startswith(_GIVEN_UP[:30])
    changes: dict[str, str | None] = {table.history: history_line(one.job, remark=one.what if given_up else None)}
    error = row.fields.get(table.error)
    # What a person wrote there stays; what we said of this attachment is replaced.
    if given_up and (not error or str(error).startswith(LEFT_OUT)):
        changes[table.error] = one.what
    elif not given_up and str(error or "").startswith(LEFT_OUT):
        changes[table.error] = None
    return {name: value for name, value in changes.items() if name and row.fields.get(name) != value}
