"""A job's files in an attachment cell: what is to be written there, and what became of it.

Airtable replaces the array on a write, fetches each URL on its own afterwards, and says in a later read only how that went.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from reelkeeper.domain.job import Job, JobOutput
from reelkeeper.domain.mapping import LARGEST_ATTACHMENT_MB, Target

# What the row says of a file that Airtable would not take at once.
LEFT_OUT = "Airtable did not take the attachment"


class Cell(StrEnum):
    """What became of a job's attachments, some minutes after they were written."""

    WHOLE = "whole"
    # There, but not fetched, or something else was fetched.
    BROKEN = "broken"
    # Gone, and nothing else has changed: Airtable clears what it cannot fetch.
    CLEARED = "cleared"
    # Gone or replaced by somebody's hand.
    EDITED = "edited"


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
    others = [one for one in cell if one.get("id") not in kept and one.get("filename") not in names]
    return [*new, *({"id": one} for one in kept), *map(_again, others)]


def attached_ids(job: Job, target: Target, there: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Airtable's ids of the job's own attachments in a cell, and those of the others."""
    names = _file_names(job.job_id, attachable(job, target))
    cell = [one for one in there if isinstance(one, dict) and "id" in one] if isinstance(there, list) else []
    own = tuple(one["id"] for one in cell if one.get("filename") in names)
    return own, tuple(one["id"] for one in cell if one["id"] not in own)


def not_attached(job: Job, target: Target) -> str | None:
    """Why a file is at its permanent address alone, where that is not what the mapping says of all of them."""
    left = [one for one in files(job) if one not in attachable(job, target)]
    if target.attach == "never" or not left:
        return None
    most = target.attach_below_mb if target.attach == "below_mb" else LARGEST_ATTACHMENT_MB
    sizes = ", ".join(megabytes(one.size or 0) for one in left)
    return f"not attached, since it has {sizes} and the most is {most:,} MB; it is at {left[0].permanent_url}"


def look_at(job: Job, target: Target, there: object) -> Cell:
    """Whether Airtable has its own copy of each attached file; `there` is the cell as it is now."""
    cell = [one for one in there if isinstance(one, dict)] if isinstance(there, list) else []
    outputs = attachable(job, target)
    found = {one.get("filename"): one for one in reversed(cell)}
    of_job = [found.get(name) for name in _file_names(job.job_id, outputs)]
    if all(one is not None and one.get("size") == output.size for one, output in zip(of_job, outputs, strict=True)):
        return Cell.WHOLE
    if all(one is not None for one in of_job):
        return Cell.BROKEN
    # A file that once was whole, a new one beside it, or another's that is gone, too: a person was here.
    others = {one["id"] for one in cell if "id" in one} - set(job.attached)
    return Cell.EDITED if job.ingested_at is not None or others != set(job.beside) else Cell.CLEARED


def attached_anew(job: Job, target: Target, there: object) -> list[dict[str, str]]:
    """The whole cell with the job's files by their addresses once more, in place of what Airtable made of them."""
    cell = [one for one in there if isinstance(one, dict)] if isinstance(there, list) else []
    outputs = attachable(job, target)
    whole = {one.get("filename"): one for one in cell}
    names = _file_names(job.job_id, outputs)
    new: list[dict[str, str]] = []
    for name, output in zip(names, outputs, strict=True):
        there_already = name in whole and whole[name].get("size") == output.size
        new.append(_again(whole[name]) if there_already else {"url": output.permanent_url or "", "filename": name})
    return [*new, *(_again(one) for one in cell if one.get("filename") not in names)]


def files(job: Job) -> list[JobOutput]:
    """What the row shows of a job: thumbnails are kept and not shown."""
    return [output for output in job.outputs if output.role == "file" and output.permanent_url]


def attachable(job: Job, target: Target) -> list[JobOutput]:
    """Those of them that the mapping and Airtable's limit let be attached."""
    return [output for output in files(job) if target.attaches(output.size)]


def file_name(job_id: str, output: JobOutput) -> str:
    """The name an attachment gets: the object's own, made unique by the job's id where NCA's names are not."""
    name = (output.key or output.name).rsplit("/", 1)[-1].partition("-")[2] or output.name
    if "." in name and "." in output.name:
        # The media gate may have found that another extension is right.
        name = f"{name.rpartition('.')[0]}.{output.name.rpartition('.')[2].lower()}"
    return name if job_id in name else f"{job_id[:8]}-{name}"


def megabytes(size: int) -> str:
    """A size for people: `0.3 MB`, `48 MB`, `1,234 MB`."""
    return f"{size / 1e6:,.1f} MB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"


def _file_names(job_id: str, outputs: Sequence[JobOutput]) -> list[str]:
    """A name of its own for each: two outputs of one job may be called the same."""
    names = [file_name(job_id, output) for output in outputs]
    return [f"{place}-{name}" if names.count(name) > 1 else name for place, name in enumerate(names)]


def _again(one: Mapping[str, Any]) -> dict[str, str]:
    """An attachment that stays: by its id, or as it is about to be written."""
    return {"id": one["id"]} if "id" in one else {"url": one["url"], "filename": one["filename"]}
