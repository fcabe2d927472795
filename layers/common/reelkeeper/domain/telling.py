"""What Airtable is to show of a job: the values of its target's fields and of its own row's, compared with what is there."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from reelkeeper.domain.attaching import attachable, attachments, files, megabytes
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.mapping import JobsTable, Target

TELLABLE = frozenset({JobState.STORED, JobState.FAILED, JobState.LOST, JobState.REJECTED})
# Airtable's long text holds 100,000 characters; a person reads the first screen.
_OUTPUTS_SHOWN = 40
_REASON_CHARS = 160

Fields = Mapping[str, Any]


def target_id(job: Job, target: Target, row: Fields, jobs: JobsTable) -> str | None:
    """The record its output belongs to: named by the callback, else linked from the job's row, else in its request."""
    if job.target_id:
        return job.target_id
    linked = row.get(target.link) if target.link else None
    if isinstance(linked, list) and linked and isinstance(linked[0], str):
        return linked[0]
    request = read_request(row.get(jobs.request)) if jobs.request else {}
    return next((value for key in target.payload if isinstance(value := request.get(key), str) and value), None)


def target_changes(job: Job, target: Target, there: Fields) -> dict[str, Any]:
    """What must change in the target's row; empty where it shows everything already."""
    if job.rowless:
        return _backfilled(job, target, there)
    if job.state is not JobState.STORED:
        return _changed({target.status: target.failure} if target.status and target.failure else {}, there)
    shown = files(job)
    wanted: dict[str, Any] = {}
    if shown and target.url:
        wanted[target.url] = shown[0].permanent_url
    if target.status and target.success:
        wanted[target.status] = target.success
    changes = _changed(wanted, there)
    attached = attachments(job.job_id, attachable(job, target), there.get(target.attachment))
    return changes if attached is None else {target.attachment: attached, **changes}


def _backfilled(job: Job, target: Target, there: Fields) -> dict[str, Any]:
    """The permanent address in place of none or of the one that dies; statuses and files of the row are not its business."""
    shown = files(job)
    address = str(there.get(target.url) or "").strip()
    if job.state is not JobState.STORED or not shown or address not in ("", shown[0].source_url):
        return {}
    attached = attachments(job.job_id, attachable(job, target), None) if not there.get(target.attachment) else None
    return {target.url: shown[0].permanent_url, **({target.attachment: attached} if attached else {})}


def job_changes(job: Job, jobs: JobsTable, there: Fields, *, remark: str | None = None) -> dict[str, Any]:
    """What must change in the job's own row; a failure never overwrites what another job of that row completed."""
    line: dict[str, Any] = {jobs.history: history_line(job, remark=remark)}
    if job.state is JobState.STORED and job.published_at is not None:
        # Copied again after an audit: the row says all this since then, and what people changed in it is theirs.
        wanted = line
    elif job.state is JobState.STORED:
        wanted = {jobs.status: jobs.completed, jobs.response: response_text(job), jobs.error: remark, **line}
    elif job.published_at is not None:
        wanted = {jobs.error: job.error or f"the job is {job.state}", **line}
    elif there.get(jobs.status) == jobs.completed:
        return {}
    else:
        wanted = {jobs.status: jobs.failed, jobs.error: job.error or f"the job is {job.state}", **line}
    return _changed({name: value for name, value in wanted.items() if name}, there)


def history_line(job: Job, *, remark: str | None = None) -> str:
    """What became of the job in one line a person can read: how it was heard of, what is kept, whether it is attached."""
    parts = [_heard(job)]
    if job.resubmissions:
        parts.append(f"submitted again {job.resubmissions} time{'' if job.resubmissions == 1 else 's'}")
    if job.state in (JobState.FAILED, JobState.LOST, JobState.REJECTED):
        return "; ".join([*parts, f"{job.state}: {(job.error or 'no reason given').splitlines()[-1][:_REASON_CHARS]}"])
    size = sum(output.size or 0 for output in job.outputs)
    count = f" ({len(job.outputs)} files)" if len(job.outputs) > 1 else ""
    parts.append(f"stored {megabytes(size)}{count}" if job.outputs else "no file was made")
    parts += dict.fromkeys(output.verdict for output in files(job) if output.verdict)
    if job.attached:
        again = f", at the {_ordinal(job.attach_tries + 1)} try" if job.attach_tries else ""
        parts.append(f"attached{again}")
    return "; ".join([*parts, remark] if remark else parts)


def _heard(job: Job) -> str:
    if job.origin == "webhook":
        return "called back"
    by = "polling" if job.origin == "poll" else "an operator"
    began = job.submitted_at or job.received_at
    known = next((event.at for event in reversed(job.history) if event.what.startswith(("finished:", "failed:"))), None)
    minutes = round((known - began).total_seconds() / 60) if known else 0
    return f"callback lost; found by {by}" + (f" after {minutes} min" if minutes > 0 else "")


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def response_text(job: Job) -> str:
    """What the row says NCA answered, as JSON, with the addresses that last in place of those that do not."""
    said = {
        "job_id": job.job_id,
        "endpoint": job.endpoint,
        "outputs": [output.permanent_url for output in job.outputs[:_OUTPUTS_SHOWN] if output.permanent_url],
        "playing": [output.verdict for output in files(job)[:_OUTPUTS_SHOWN] if output.verdict] or None,
        "more_outputs": len(job.outputs) - _OUTPUTS_SHOWN if len(job.outputs) > _OUTPUTS_SHOWN else None,
        "bytes": sum(output.size or 0 for output in job.outputs),
        "run_time": job.timing.run_s,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None}, ensure_ascii=False)


def _changed(wanted: Fields, there: Fields) -> dict[str, Any]:
    # Airtable leaves empty fields out of what it answers, so that None and absence are the same.
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def read_request(text: object) -> Fields:
    """The stored request: JSON, or the repr of a Python dict that the engine writes."""
    if not isinstance(text, str) or len(text) > 100_000:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
