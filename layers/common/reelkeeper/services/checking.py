"""Two questions with an answer for each known cause: does the base have what the mapping names, and why do files vanish?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from reelkeeper.adapters.airtable import Row
from reelkeeper.adapters.viewer import Seen
from reelkeeper.domain.causes import BucketFacts, Check, Lasting, lasting, of_addresses, of_source, of_target
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.mapping import Mapping as Places
from reelkeeper.domain.schema import Schema, misses

# Enough to see a habit, and few requests: rows of each table.
ROWS_LOOKED_AT = 300
_ROWS_A_PAGE = 100


class Airtable(Protocol):
    def schema(self) -> Schema: ...
    def pages(self, table: str, *, fields: Sequence[str], formula: str = "") -> Iterator[list[Row]]: ...


class Share(Protocol):
    def closed_until(self) -> datetime | None: ...


class Viewer(Protocol):
    def look(self, url: str) -> Seen: ...


@dataclass(frozen=True, slots=True)
class Addresses:
    """What every permanent address begins with, the hosts NCA delivers from, and one address to try (None: nothing kept)."""

    permanent: str
    source_hosts: frozenset[str]
    sample: str | None


def check_airtable(airtable: Airtable, mapping: Places, share: Share) -> Iterator[Check]:
    """The base against the mapping: each miss with its remedy; raises RetryLater where Airtable does not answer."""
    closed = share.closed_until()
    if closed is not None:
        what = f"the month's API calls are used up; nobody asks Airtable until {closed:%d %B %Y}"
        yield Check("calls of the month", "fail", what, "upgrade the plan, then: reelkeeper check airtable --resume")
        return
    try:
        page = next(airtable.pages(mapping.jobs.table, fields=(mapping.jobs.status,)), [])
    except Refused as error:
        yield Check("reading rows", "fail", error.reason, "put a token with data.records:read into the secret")
        return
    yield Check("reading rows", "good", f"table {mapping.jobs.table!r} answers ({len(page)} rows on its first page)")
    try:
        found = misses(mapping, airtable.schema())
    except Refused as error:
        remedy = "give the token schema.bases:read, or compare the names in the mapping with the base yourself"
        yield Check("the base's schema", "unknown", error.reason, remedy)
        return
    for miss in found:
        yield Check(miss.where, "fail" if miss.hurts else "warn", miss.what, miss.remedy)
    if not any(miss.hurts for miss in found):
        yield Check("tables, fields, types, options", "good", "the base has everything rows need to be told rightly")


def check_storage(
    target: BucketFacts,
    sources: Sequence[BucketFacts],
    *,
    addresses: Addresses,
    airtable: Airtable,
    viewer: Viewer,
    mapping: Places,
) -> Iterator[Check]:
    """Each known cause of the mission's “24 hours”, and whether it applies here."""
    yield from of_target(target)
    yield _readable(addresses.sample, target, viewer)
    if not sources:
        remedy = "name it: reelkeeper check storage --source s3://BUCKET (and --source-endpoint)"
        yield Check("NCA's files expire", "unknown", "NCA's bucket is not known here", remedy)
    for source in sources:
        yield from of_source(source)
    found: list[tuple[str, Lasting]] = []
    only_attached = 0
    try:
        for table, row, fields in _rows(airtable, mapping):
            found += _addresses(table, row, addresses)
            only_attached += any(row.fields.get(attachment) and not row.fields.get(url) for attachment, url in fields if url)
    except (RetryLater, Refused) as error:
        yield Check("addresses in rows", "unknown", error.reason, "reelkeeper check airtable says what is wrong there")
        return
    yield from of_addresses(found)
    name = "files with no permanent address"
    if only_attached:
        what = f"{only_attached} rows have an attachment and an empty address field"
        yield Check(name, "warn", what, "keep them: reelkeeper backfill --dry-run shows which")
    else:
        yield Check(name, "good", "every attachment looked at has its address beside it")


def _readable(sample: str | None, target: BucketFacts, viewer: Viewer) -> Check:
    """What the ACL, the policy and CloudFront come to in the end: can somebody without keys read a kept file?"""
    name = "anybody can read a kept file"
    if sample is None:
        return Check(name, "unknown", "nothing is kept yet", "keep a first file, then check again")
    try:
        seen = viewer.look(sample)
    except (RetryLater, Gone) as error:
        return Check(
            name, "fail", f"{sample}: {error.reason}", "check PublicUrlTemplate: its host must be reachable from anywhere"
        )
    if seen.status == 200 and seen.gives_ranges:
        return Check(name, "good", f"{sample} answers 200, and gives parts")
    if seen.status == 200:
        return Check(
            name, "warn", f"{sample} gives no part when asked for one", "players need ranges: use another address or CDN"
        )
    why = "objects are private" if target.public is False else "objects are not public at that address"
    remedy = (
        "for Spaces set StorageAcl to public-read; for the stack's own bucket leave PublicUrlTemplate to CloudFront's address"
    )
    return Check(name, "fail", f"{sample} answers {seen.status}: {why}", remedy)


def _rows(airtable: Airtable, mapping: Places) -> Iterator[tuple[str, Row, Sequence[tuple[str, str]]]]:
    """Rows of each target table, with the pairs of attachment and address fields that belong to it."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for target in mapping.operations.values():
        tables.setdefault(target.table, []).append((target.attachment, target.url))
    for table, fields in tables.items():
        for page in islice(airtable.pages(table, fields=()), ROWS_LOOKED_AT // _ROWS_A_PAGE):
            yield from ((table, row, fields) for row in page)


def _addresses(table: str, row: Row, known: Addresses) -> Iterator[tuple[str, Lasting]]:
    texts: Mapping[str, Any] = row.fields
    for name, value in texts.items():
        if isinstance(value, str) and value.startswith(("https://", "http://")):
            lasts = lasting(value.strip(), permanent=known.permanent, source_hosts=known.source_hosts)
            yield f"{table}.{name} {row.record_id}", lasts
