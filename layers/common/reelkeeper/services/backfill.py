"""Backfill: walk the mapping's tables, and send in what lives only at a temporary address as NCA would have reported it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reelkeeper.adapters.airtable import Row
from reelkeeper.domain.backfilling import Candidate, Standing, candidates, message_of, standing
from reelkeeper.domain.job import Job
from reelkeeper.domain.mapping import Mapping
from reelkeeper.domain.message import encode
from reelkeeper.domain.moment import show_moment


class Airtable(Protocol):
    def pages(self, table: str, *, fields: Sequence[str], formula: str = "") -> Iterator[list[Row]]: ...
    def lacks(self, table: str, field: str) -> bool: ...


class Ledger(Protocol):
    def get(self, job_id: str) -> Job | None: ...


class Queue(Protocol):
    def send(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A file without a permanent address, how far keeping it is already, and the version of its job (0: none yet)."""

    candidate: Candidate
    standing: Standing
    version: int = 0


def find(
    *,
    airtable: Airtable,
    ledger: Ledger,
    mapping: Mapping,
    permanent: str,
    source_hosts: frozenset[str],
    tables: Sequence[str] = (),
    since: datetime | None = None,
) -> Iterator[Found]:
    """Every file to keep, row by row; `tables` empty means all, `since` leaves out rows made before.

    A field that the base lacks has no place for a permanent address: what belongs there is passed over.
    """
    formula = f"NOT(IS_BEFORE(CREATED_TIME(), DATETIME_PARSE('{show_moment(since)}')))" if since else ""
    for operation, target in mapping.operations.items():
        if (tables and target.table not in tables) or not target.url or airtable.lacks(target.table, target.url):
            continue
        for page in airtable.pages(target.table, fields=(target.attachment, target.url), formula=formula):
            for row in page:
                for one in candidates(
                    operation, target, row.record_id, row.fields, permanent=permanent, source_hosts=source_hosts
                ):
                    job = ledger.get(one.job_id)
                    yield Found(one, standing(job), job.version if job is not None else 0)


def send(candidate: Candidate, *, queue: Queue, clock: Callable[[], datetime]) -> None:
    """Have one file kept, by the way that every callback takes."""
    queue.send(encode(message_of(candidate, at=clock())))
