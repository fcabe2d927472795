"""What each system outside can say about a job, asked one by one by `services/trace.py`."""

import json
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.inbox import Inbox
from reelkeeper.adapters.logs import Found, Line, Logs
from reelkeeper.adapters.nca import Nca, Status
from reelkeeper.adapters.queue import Queue
from reelkeeper.domain.callback import parse, redact
from reelkeeper.domain.errors import Gone
from reelkeeper.domain.job import Job
from reelkeeper.domain.mapping import Mapping, Target
from reelkeeper.domain.naming import object_key, quarantine_key
from reelkeeper.domain.telling import target_id
from reelkeeper.services.trace import Entry, Subject

# For its type alone: pyairtable takes long to import, and one witness of seven needs it.
if TYPE_CHECKING:
    from reelkeeper.adapters.airtable import Airtable

_LETTERS, _VERSIONS, _LINES, _JOBS_AT_NCA, _WORDS = 50, 50, 40, 4, 3
# Callbacks come minutes after a job was submitted, seldom hours; the log is searched from there on.
_BEFORE = timedelta(hours=1)
# What every line of a log carries and nobody asks for here.
_COMMON = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "job_id", "xray_trace_id", "sampling_rate", "exception_name"),
        *("cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id"),
    }
)
_CELL_CHARS = 200


def queue_evidence(queue: Queue, inbox: Inbox, at: datetime) -> list[Entry]:
    """How full the queue is; which messages it holds can only be seen by taking them from persist."""
    length = queue.length()
    entries = [
        Entry(
            at,
            "queue",
            f"of all messages {length.waiting} wait, {length.in_work} in work, {length.delayed} to come back later",
            knows=False,
        )
    ]
    waiting = sum(1 for _ in islice(inbox.waiting(), 1000))
    if waiting:
        entries.append(
            Entry(at, "inbox", f"{waiting} of all callbacks wait there for the next sweep (reelkeeper inbox)", knows=False)
        )
    return entries


def dead_letter_evidence(subject: Subject, dead_letters: Queue) -> list[Entry]:
    """The dead letters that speak of the job; all that were looked at are put back at once."""
    waiting = dead_letters.length().waiting
    if not waiting:
        return []
    letters = list(dead_letters.take(limit=min(waiting, _LETTERS), hidden=timedelta(seconds=30)))
    dead_letters.put_back(letters)
    return [
        Entry(one.sent_at, "dead letters", f"message {one.message_id}: {one.reason or 'its worker crashed each time'}")
        for one in letters
        if one.message_id == subject.text or any(word in one.text for word in subject.words)
    ]


def nca_evidence(subject: Subject, nca: Nca | None, at: datetime) -> list[Entry]:
    """What NCA's status route says of each job now."""
    if nca is None:
        return [Entry(None, "NCA", "cannot be asked: the stack's parameter NcaUrl is empty", knows=False)]
    return [_at_nca(job_id, nca, at) for job_id in subject.job_ids[:_JOBS_AT_NCA]]


def _at_nca(job_id: str, nca: Nca, at: datetime) -> Entry:
    try:
        return Entry(at, "NCA", _state_at_nca(nca.status(job_id)), job_id)
    except Gone:
        return Entry(at, "NCA", "does not know the job, or not any more", job_id, knows=False)


def _state_at_nca(status: Status) -> str:
    if status.report is None:
        return f"{status.job_status}, in process {status.sender.pid} with queue {status.sender.queue_id}"
    callback = parse(status.report, {})
    said = callback.error if callback.outcome == "failure" else f"{len(callback.outputs)} outputs"
    return f"{status.job_status}: {callback.outcome}, {_short(said or '')}"


def bucket_evidence(subject: Subject, bucket: Bucket) -> list[Entry]:
    """Every object ever stored for each job, kept or set aside, and what was deleted."""
    entries = []
    for job_id in subject.job_ids:
        folder = object_key(job_id, 0, "").rpartition("/")[0] + "/"
        for prefix in (folder, quarantine_key(folder)):
            for one in bucket.versions(prefix, limit=_VERSIONS):
                what = f"stored, {one.size:,} bytes" if one.size is not None else "deleted (its versions are still there)"
                past = "" if one.latest else "; not the latest version"
                entries.append(Entry(one.at, "bucket", f"{one.key}: {what}{past}", job_id))
    return entries


def airtable_evidence(subject: Subject, airtable: "Airtable", mapping: Mapping, at: datetime) -> list[Entry]:
    """What the jobs' own rows and their targets show now."""
    entries = []
    for job in subject.jobs[:1] or (None,):
        row = _row(subject, job, airtable, mapping)
        if row is None:
            entries.append(
                Entry(at, "Airtable", f"{mapping.jobs.table} has no row for it", job.job_id if job else None, knows=False)
            )
            continue
        record_id, fields = row
        own = mapping.jobs
        shown = _shown(fields, (own.status, own.external_id, own.error, own.response))
        entries.append(Entry(at, "Airtable", f"{own.table} {record_id}: {shown}", job.job_id if job else None))
        target = mapping.operations.get(job.operation or "") if job else None
        if job and target:
            entries += _target_entry(job, target, fields, airtable, mapping, at)
    return entries


def _row(
    subject: Subject, job: Job | None, airtable: "Airtable", mapping: Mapping
) -> tuple[str, AbstractMapping[str, Any]] | None:
    own = mapping.jobs
    links = [target.link for target in mapping.operations.values() if target.link]
    wanted = [name for name in (own.status, own.external_id, own.error, own.response, own.request, *links) if name]
    record_id = job.record_id if job else subject.text if subject.text.startswith("rec") else None
    found = airtable.rows(own.table, [record_id], fields=wanted) if record_id else {}
    if not found:
        found = airtable.rows_with(own.table, own.external_id, subject.job_ids, fields=wanted)
    row = next(iter(found.values()), None)
    return (row.record_id, row.fields) if row else None


def _target_entry(
    job: Job, target: Target, row: AbstractMapping[str, Any], airtable: "Airtable", mapping: Mapping, at: datetime
) -> list[Entry]:
    record_id = target_id(job, target, row, mapping.jobs)
    if record_id is None:
        return [Entry(at, "Airtable", f"nothing says which record of {target.table} the output belongs to", job.job_id)]
    fields = [name for name in (target.status, target.attachment, target.url) if name]
    found = airtable.rows(target.table, [record_id], fields=fields).get(record_id)
    what = _shown(found.fields, fields) if found else "is not there"
    return [Entry(at, "Airtable", f"{target.table} {record_id}: {what}", job.job_id)]


def _shown(fields: AbstractMapping[str, Any], names: Sequence[str]) -> str:
    return "; ".join(f"{name}: {_cell(fields[name])}" for name in names if name and name in fields) or "empty"


def _cell(value: object) -> str:
    if isinstance(value, list):
        files = [one for one in value if isinstance(one, dict)]
        sizes = ", ".join(f"{one.get('filename')} ({one['size']:,} bytes)" for one in files if one.get("size"))
        return sizes or f"{len(value)} attached, not fetched yet" if files else ", ".join(map(str, value))
    return _short(redact(str(value)))


def log_evidence(subject: Subject, logs: AbstractMapping[str, Logs], since: datetime) -> list[Entry]:
    """The lines the functions have logged about it; the webhook knows a job by its row and its message only."""
    records = [job.record_id for job in subject.jobs if job.record_id]
    words = tuple(dict.fromkeys((*subject.job_ids, *records, subject.text)))[:_WORDS]
    asked = [(function, word) for function in logs for word in words]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = pool.map(lambda one: _found(logs[one[0]], one[1], since), asked)
        found = {function: Found((), whole=True) for function in logs}
        for (function, _), answer in zip(asked, answers, strict=True):
            lines = {(line.at, line.text): line for line in (*found[function].lines, *answer.lines)}
            found[function] = Found(tuple(lines.values()), whole=found[function].whole and answer.whole)
    entries: list[Entry] = []
    for function, all_of in found.items():
        entries += [Entry(line.at, "logs", f"{function}: {_said(line)}", line.fields.get("job_id")) for line in all_of.lines]
        if not all_of.whole:
            entries.append(Entry(None, "logs", f"{function}: there are more lines than the {_LINES} shown", knows=False))
    return entries


def _found(log: Logs, word: str, since: datetime) -> Found:
    try:
        return log.find(word, since=since, limit=_LINES)
    except Gone:
        return Found((), whole=True)


def since(subject: Subject, at: datetime, *, unknown: timedelta) -> datetime:
    """From when on something may have been logged about it; for what the ledger does not know, the last `unknown`."""
    return min((job.received_at for job in subject.jobs), default=at - unknown + _BEFORE) - _BEFORE


def _said(line: Line) -> str:
    if not line.fields:
        return _short(line.text)
    more = {name: value for name, value in line.fields.items() if name not in _COMMON and value is not None}
    said = [str(line.fields.get("message", "")), *(f"{name}={_plain(value)}" for name, value in more.items())]
    return _short(redact(" ".join(said)))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _CELL_CHARS else text[:_CELL_CHARS] + "…"
