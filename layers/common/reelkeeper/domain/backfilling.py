"""What of a row lives only at an address that dies, and the message that has it kept: the one NCA would have sent."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from reelkeeper.domain.callback import name_in
from reelkeeper.domain.causes import lasting
from reelkeeper.domain.job import BACKFILL_PREFIX, Job, JobState
from reelkeeper.domain.mapping import Target
from reelkeeper.domain.message import Message

ENDPOINT = "/reelkeeper/backfill"
Standing: TypeAlias = Literal["new", "under way", "kept", "lost", "rejected"]
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_FIELD_CHARS = 30


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file to keep: whose row it is in, where it lies now, and what it is called. `size` in bytes where it is known."""

    operation: str
    table: str
    record_id: str
    field: str
    source_url: str
    name: str
    identity: str
    size: int | None = None

    @property
    def job_id(self) -> str:
        """The same for the same file, however often a person looks: what was kept is not kept twice."""
        field = _UNSAFE.sub("_", self.field).strip("_")[:_FIELD_CHARS]
        return f"{BACKFILL_PREFIX}{self.record_id}-{field}-{self.identity}"


def candidates(
    operation: str,
    target: Target,
    record_id: str,
    fields: Mapping[str, Any],
    *,
    permanent: str,
    source_hosts: frozenset[str],
) -> Iterator[Candidate]:
    """The files of one row that have no permanent address: its attachment, or what its address field leads to."""
    address = str(fields.get(target.url) or "").strip()
    cell = fields.get(target.attachment)
    attached = [one for one in cell if isinstance(one, dict)] if isinstance(cell, list) else []
    lasts = lasting(address, permanent=permanent, source_hosts=source_hosts) if address else None
    if lasts in ("permanent", "elsewhere"):
        return
    # Airtable's own copy is whole as long as it is there; a temporary address may be dead already.
    first = next((one for one in attached if "size" in one and "id" in one), None)
    if first is not None:
        name = str(first.get("filename") or "file")
        yield Candidate(operation, target.table, record_id, target.attachment, first["url"], name, first["id"], first["size"])
    elif address:
        identity = f"{zlib.crc32(address.encode()):08x}"
        yield Candidate(operation, target.table, record_id, target.url, address, name_in(address) or "file", identity)


def message_of(candidate: Candidate, *, at: datetime) -> Message:
    """The callback NCA would have sent for this file, sent in by an operator."""
    body = {
        "endpoint": ENDPOINT,
        "code": 200,
        "id": None,
        "job_id": candidate.job_id,
        "response": {"file_url": candidate.source_url, "filename": candidate.name},
        "message": "success",
    }
    query = {"operation": candidate.operation, "target_id": candidate.record_id}
    return Message(json.dumps(body).encode(), at, query, content_type="application/json", origin="operator")


def standing(job: Job | None) -> Standing:
    """How far a file's job is already; what was lost or rejected may be sent in again."""
    if job is None or job.state in (JobState.SUBMITTED, JobState.FAILED):
        return "new"
    if job.state in (JobState.LOST, JobState.REJECTED):
        return "lost" if job.state is JobState.LOST else "rejected"
    return "kept" if job.state in (JobState.PUBLISHED, JobState.KEPT) else "under way"
