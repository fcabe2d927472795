"""A job as a DynamoDB item and back: the attribute names of the ledger, which template.yaml shares.

`due_shard`, `due_at`, `record_id`, `received_at` and `ref` are keys of the indexes and therefore absent, never null, where
they do not apply; that is what makes the indexes sparse. An item with a `ref` is no job: it points to the one in `of`.
"""

import zlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from reelkeeper.domain.callback import Sender, Timing
from reelkeeper.domain.job import SETTLED_TTL, Event, Job, JobOutput, JobState
from reelkeeper.domain.moment import parse_moment, show_moment

DUE_SHARDS = 8
DUE_INDEX, RECORD_INDEX, REFERENCE_INDEX = "due", "record", "reference"
KEPT_PREFIX = "kept-"
KEY, DUE_SHARD, DUE_AT, RECORD_ID, RECEIVED_AT, EXPIRES_AT = (
    "job_id",
    "due_shard",
    "due_at",
    "record_id",
    "received_at",
    "expires_at",
)
REF, OF = "ref", "of"
# A pointer outlives its job's last days, which begin when it is settled.
POINTER_TTL = 2 * SETTLED_TTL
# What a job's item also holds, written by other hands than `Ledger.save`.
LEASE_OWNER, LEASE_UNTIL, MESSAGE, CHECKPOINTS = "lease_owner", "lease_until", "message", "checkpoints"

_MOMENTS = frozenset(
    {
        *("received_at", "updated_at", "submitted_at", "due_at", "told_at", "settled_at", "published_at", "ingested_at"),
        *("gone_since", "stored_at", "at"),
    }
)
_COUNTS = frozenset({"size", "attempts", "resubmissions", "version", "audits", "attach_tries"})
# What a job is made of, for reads that leave the rest alone: a kept message may have 150 KB.
OF_A_JOB = tuple(field.name for field in fields(Job))
_write, _read = TypeSerializer(), TypeDeserializer()


def shard(job_id: str, *, kept: bool = False) -> str:
    """Which partition of the due index a job is in; spread evenly, the same for ever.

    What is kept has partitions of its own, so that no backlog of audits ever stands before a job that waits.
    """
    return f"{KEPT_PREFIX if kept else ''}{zlib.crc32(job_id.encode()) % DUE_SHARDS:02d}"


def to_item(job: Job) -> dict[str, Any]:
    """The attributes of a job in DynamoDB's form; what is None is left out."""
    plain: dict[str, Any] = {
        name: _plain(getattr(job, name))
        for name in (field.name for field in fields(Job))
        if name not in ("outputs", "history", "timing", "sender", "attached", "beside")
    }
    plain["outputs"] = [_plain_of(output) for output in job.outputs]
    plain["history"] = [_plain_of(event) for event in job.history]
    plain["attached"], plain["beside"] = list(job.attached), list(job.beside)
    plain["timing"] = {name: str(value) for name, value in _plain_of(job.timing).items()}
    plain["sender"] = _plain_of(job.sender)
    if job.due_at is not None:
        plain[DUE_SHARD] = shard(job.job_id, kept=job.state is JobState.KEPT)
    if job.expires_at is not None:
        plain[EXPIRES_AT] = int(job.expires_at.timestamp())
    return {name: _write.serialize(value) for name, value in plain.items() if value is not None}


def to_pointer(ref: str, job: Job) -> dict[str, Any]:
    """A pointer's item; the same name and job always make the same key."""
    return {
        KEY: {"S": f"ref#{ref}#{job.job_id}"},
        REF: {"S": ref},
        OF: {"S": job.job_id},
        RECEIVED_AT: {"S": show_moment(job.received_at)},
        EXPIRES_AT: {"N": str(int((job.received_at + POINTER_TTL).timestamp()))},
    }


def from_item(item: Mapping[str, Any]) -> Job:
    """The job an item holds; attributes of no concern to a job are passed over."""
    plain = {name: _read.deserialize(value) for name, value in item.items()}
    values = {field.name: plain[field.name] for field in fields(Job) if field.name in plain}
    values["state"] = JobState(plain["state"])
    # Inline text has no source, and what is None was left out.
    values["outputs"] = tuple(JobOutput(**({"source_url": None} | _typed(output))) for output in plain["outputs"])
    values["history"] = tuple(Event(**_typed(event)) for event in plain["history"])
    values["attached"], values["beside"] = tuple(plain.get("attached", ())), tuple(plain.get("beside", ()))
    values["timing"] = Timing(**{name: float(value) for name, value in plain["timing"].items()})
    values["sender"] = Sender(**plain["sender"])
    return Job(**_typed(values))


def _plain_of(value: Any) -> dict[str, Any]:
    whole = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return {name: one for name, one in whole.items() if one is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return show_moment(value)
    # DynamoDB's library takes no floats.
    return str(value) if isinstance(value, JobState | float) else value


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    typed = dict(values)
    for name, value in values.items():
        if name in _MOMENTS and isinstance(value, str):
            typed[name] = parse_moment(value)
        elif name in _COUNTS:
            typed[name] = int(cast("int", value))
        elif name == "seconds":
            typed[name] = float(value)
    return typed
