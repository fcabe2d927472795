"""What Airtable is to show of a job: the values of its target's fields and of its own row's, compared with what is there."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from reelkeeper.domain.job import Job, JobOutput, JobState
from reelkeeper.domain.mapping import JobsTable, Target

TELLABLE = frozenset({JobState.STORED, JobState.FAILED, JobState.LOST, JobState.REJECTED})
# Airtable's long text holds 100,000 characters; a person reads the first screen.
_OUTPUTS_SHOWN = 40

Fields = Mapping[str, Any]


def target_id(job: Job, target: Target, row: Fields, jobs: JobsTable) -> str | None:
    """The record its output belongs to: named by the callback, else linked from the job's row, else in its request."""
    if job.target_id:
        return job.target_id
    linked = row.get(target.link) if target.link else None
    if isinstance(linked, list) and linked and isinstance(linked[0], str):
        return linked[0]
    request = _read_request(row.get(jobs.request)) if jobs.request else {}
    return next((value for key in target.payload if isinstance(value := request.get(key), str) and value), None)


def target_changes(job: Job, target: Target, there: Fields) -> dict[str, Any]:
    """What must change in the target's row; empty where it shows everything already."""
    if job.state is not JobState.STORED:
        return _changed({target.status: target.failure} if target.status and target.failure else {}, there)
    files = [output for output in job.outputs if output.role == "file" and output.permanent_url]
    wanted: dict[str, Any] = {}
    if files and target.url:
        wanted[target.url] = files[0].permanent_url
    if target.status and target.success:
        wanted[target.status] = target.success
    changes = _changed(wanted, there)
    attached = attachments(job.job_id, files, there.get(target.attachment))
    return changes if attached is None else {target.attachment: attached, **changes}


def job_changes(job: Job, jobs: JobsTable, there: Fields, *, remark: str | None = None) -> dict[str, Any]:
    """What must change in the job's own row; a failure never overwrites what another job of that row completed."""
    if job.state is JobState.STORED:
        wanted = {jobs.status: jobs.completed, jobs.response: response_text(job), jobs.error: remark}
    elif there.get(jobs.status) == jobs.completed:
        return {}
    else:
        wanted = {jobs.status: jobs.failed, jobs.error: job.error or f"the job is {job.state}"}
    return _changed({name: value for name, value in wanted.items() if name}, there)


def attachments(job_id: str, outputs: Sequence[JobOutput], there: object) -> list[dict[str, str]] | None:
    """The whole attachment cell with these outputs first and the others kept by id; None where it has them already.

    Airtable replaces the array on a write, and mints a new id for every URL, so that only what is missing is sent by URL.
    """
    cell = [one for one in there if isinstance(one, dict)] if isinstance(there, list) else []
    by_name = {one.get("filename"): one for one in cell}
    names = _file_names(job_id, outputs)
    new: list[dict[str, str]] = []
    kept: list[str] = []
    for name, output in zip(names, outputs, strict=True):
        same = by_name.get(name)
        if same is not None and same.get("size") in (None, output.size):
            kept.append(same["id"])
        else:
            new.append({"url": output.permanent_url or "", "filename": name})
    if not new:
        return None
    others = [one["id"] for one in cell if one["id"] not in kept and one.get("filename") not in names]
    return [*new, *({"id": one} for one in (*kept, *others))]


def _file_names(job_id: str, outputs: Sequence[JobOutput]) -> list[str]:
    """A name of its own for each: two outputs of one job may be called the same."""
    names = [file_name(job_id, output) for output in outputs]
    return [f"{place}-{name}" if names.count(name) > 1 else name for place, name in enumerate(names)]


def file_name(job_id: str, output: JobOutput) -> str:
    """The name an attachment gets: the object's own, made unique by the job's id where NCA's names are not."""
    name = (output.key or output.name).rsplit("/", 1)[-1].partition("-")[2] or output.name
    return name if job_id in name else f"{job_id[:8]}-{name}"


def response_text(job: Job) -> str:
    """What the row says NCA answered, as JSON, with the addresses that last in place of those that do not."""
    said = {
        "job_id": job.job_id,
        "endpoint": job.endpoint,
        "outputs": [output.permanent_url for output in job.outputs[:_OUTPUTS_SHOWN]],
        "more_outputs": len(job.outputs) - _OUTPUTS_SHOWN if len(job.outputs) > _OUTPUTS_SHOWN else None,
        "bytes": sum(output.size or 0 for output in job.outputs),
        "run_time": job.timing.run_s,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None}, ensure_ascii=False)


def _changed(wanted: Fields, there: Fields) -> dict[str, Any]:
    # Airtable leaves empty fields out of what it answers, so that None and absence are the same.
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _read_request(text: object) -> Fields:
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
