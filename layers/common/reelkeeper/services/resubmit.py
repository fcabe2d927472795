"""Handing in anew what NCA lost: only where the mapping says so, never twice for one loss, and not for ever.

By the engine, which makes a new job with fresh inputs of its own; or by NCA itself, from the stored request, whose links to
Airtable are read anew. What is counted is counted before the call: a crash in between costs a try, never a second job.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from reelkeeper.adapters.airtable import Row
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, note, told
from reelkeeper.domain.links import Dead, attachments_in, refresh
from reelkeeper.domain.mapping import Target
from reelkeeper.domain.telling import read_request, target_id
from reelkeeper.metric import Metric
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger, of, record

# Tries of one target are remembered this long after the last.
_REMEMBERED = timedelta(days=7)
# A job that was running each time NCA's worker died is what it dies of.
_DEATHS = 2


@dataclass(frozen=True, slots=True)
class Loss:
    """A job that was given up just now; `was_running` when its worker died, and so may be why."""

    job: Job
    was_running: bool


class _Not(Exception):
    """It is not handed in anew; the message says why."""


def resubmit(sweep: Round, losses: Sequence[Loss], *, reasons: dict[str, str] | None = None) -> dict[str, bool]:
    """Hand in these jobs anew as far as the mapping allows; by job id, whether a new job of ours goes on in the same row.

    Jobs that were not handed in are not in the answer; each job's error says in the end what was done and why, and so do
    `reasons` by job id.
    """
    operations = sweep.outside.mapping.operations
    allowed = [
        loss
        for loss in losses
        if loss.job.record_id and (target := operations.get(loss.job.operation or "")) and target.resubmit
    ]
    if not allowed:
        return {}
    rows = _rows(sweep, allowed)
    done: dict[str, bool] = {}
    for loss in allowed:
        if sweep.over:
            break
        target = operations[loss.job.operation or ""]
        try:
            row = rows.get(loss.job.record_id or "")
            done[loss.job.job_id] = _again(sweep, loss, target, row)
            record(Metric.JOBS_RESUBMITTED_TOTAL)
        except (_Not, RetryLater, Refused, Dead) as reason:
            logger.warning("job not handed in anew", **of(loss.job, reason=str(reason)))
            _say(sweep, loss.job, f"not handed in anew: {reason}")
            if reasons is not None:
                reasons[loss.job.job_id] = str(reason)
    return done


def _again(sweep: Round, loss: Loss, target: Target, row: Row | None) -> bool:
    job, mapping = loss.job, sweep.outside.mapping
    if row is None:
        raise _Not("its row is not in Airtable")
    record_id = target_id(job, target, row.fields, mapping.jobs)
    place = f"{job.operation} {record_id or job.record_id}"
    until = sweep.clock() + _REMEMBERED
    if loss.was_running:
        sweep.outside.notebook.count(f"deaths of {place}", limit=1_000, until=until)
        if sweep.outside.notebook.counted(f"deaths of {place}") >= _DEATHS:
            raise _Not(f"NCA's worker died {_DEATHS} times while it ran this")
    # A sweep comes here once for each loss, a person's command as often as it is given.
    if sweep.outside.notebook.count(f"resubmission of {job.job_id}", limit=1, until=until) is None:
        raise _Not("it was before")
    tries = sweep.outside.notebook.count(f"resubmissions of {place}", limit=target.resubmissions, until=until)
    if tries is None:
        raise _Not(f"it was lost {target.resubmissions + 1} times")
    said = f"{tries} of {target.resubmissions}"
    if target.resubmit == "engine":
        _by_engine(sweep, job, target, record_id)
        _say(sweep, job, f"handed in anew through the engine ({said})")
        return False
    new_id = _by_nca(sweep, job, target, row, record_id)
    _go_on(sweep, job, new_id, said)
    return True


def _by_engine(sweep: Round, job: Job, target: Target, record_id: str | None) -> None:
    engine = sweep.outside.engine
    if engine is None:
        raise _Not("nobody said where the engine is; set EngineUrl")
    if record_id is None and "{target_id}" in target.resubmit_body:
        raise _Not("the record it belongs to is not known")
    words = {"{target_id}": record_id or "", "{record_id}": job.record_id or ""}
    engine.ask(target.resubmit_path, _filled(json.loads(target.resubmit_body), words))


def _by_nca(sweep: Round, job: Job, target: Target, row: Row, record_id: str | None) -> str:
    outside, jobs = sweep.outside, sweep.outside.mapping.jobs
    if outside.nca is None:
        raise _Not("nobody said where NCA is; set NcaUrl")
    request = read_request(row.fields.get(jobs.request))
    if not request:
        raise _Not("its request is not in the row, or cannot be read")
    # Every field, since an input may be in any of them.
    found = outside.airtable.rows(target.table, [record_id], fields=()) if record_id else {}
    attachments = [one for target_row in found.values() for one in attachments_in(target_row.fields)]
    payload = refresh(dict(request), attachments)
    # An empty address makes NCA queue the job and report to nobody (measured): the next sweep finds it.
    webhook = row.fields.get(jobs.webhook) if jobs.webhook else None
    return outside.nca.submit(target.resubmit_path, {**payload, "id": job.record_id, "webhook_url": webhook or ""})


def _go_on(sweep: Round, job: Job, new_id: str, said: str) -> None:
    """The new job takes over the row; the old one is told of by it."""
    at, outside = sweep.clock(), sweep.outside
    new = Job(
        job_id=new_id,
        state=JobState.SUBMITTED,
        origin=sweep.origin,
        received_at=at,
        updated_at=at,
        record_id=job.record_id,
        operation=job.operation,
        target_id=job.target_id,
        submitted_at=at,
        due_at=at + LOOK_AGAIN,
        resubmissions=job.resubmissions + 1,
    )
    outside.ledger.save(note(new, at=at, what=f"handed in anew for {job.job_id}, which NCA lost ({said})"))
    jobs = outside.mapping.jobs
    fields = {jobs.external_id: new_id, jobs.status: jobs.open[-1], jobs.error: f"{job.error}; handed in anew ({said})"}
    try:
        outside.airtable.write(jobs.table, [Row(job.record_id or "", {name: one for name, one in fields.items() if name})])
    except (RetryLater, Refused) as error:
        # The new job's end is written to the same row, by its record id.
        logger.warning("the row does not name its new job", **of(job, new_job_id=new_id, reason=error.reason))
    what = f"handed in anew as {new_id} ({said}); its row goes on with that"
    outside.ledger.change(job.job_id, lambda known: told(known or job, at=at, what=what))


def _say(sweep: Round, job: Job, what: str) -> None:
    """Add to the job's error, which Airtable shows, what was done about its loss."""
    at = sweep.clock()

    def decide(known: Job | None) -> Job:
        if known is None or known.state is not JobState.LOST:
            return known or job
        return note(replace(known, error=f"{known.error}; {what}"), at=at, what=what)

    try:
        sweep.outside.ledger.change(job.job_id, decide)
    except RetryLater as error:
        logger.warning("what was done about a loss cannot be written down", **of(job, reason=error.reason))


def _rows(sweep: Round, losses: Sequence[Loss]) -> Mapping[str, Row]:
    jobs, operations = sweep.outside.mapping.jobs, sweep.outside.mapping.operations
    links = {operations[loss.job.operation or ""].link for loss in losses}
    fields = [name for name in (jobs.request, jobs.webhook, *links) if name]
    try:
        return sweep.outside.airtable.rows(jobs.table, [loss.job.record_id or "" for loss in losses], fields=fields)
    except (RetryLater, Refused) as error:
        logger.warning("the rows of lost jobs cannot be read", reason=error.reason)
        return {}


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, words) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, words) for one in value]
    if isinstance(value, str):
        for word, meant in words.items():
            value = value.replace(word, meant)
    return value
