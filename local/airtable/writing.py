"""Writes: up to ten records in a request, all of them or none, by id, as new ones, or merged on fields.

https://airtable.com/developers/web/api/update-multiple-records
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.airtable import errors
from local.airtable.attachments import Ingest
from local.airtable.base import Base
from local.airtable.record import Record
from local.airtable.schema import Field, FieldType, Table

MOST_RECORDS = 10
_MOST_MERGE_FIELDS = 3
_MERGEABLE = frozenset({FieldType.TEXT, FieldType.LONG_TEXT, FieldType.SELECT, FieldType.NUMBER, FieldType.DATE_TIME})


@dataclass(frozen=True, slots=True)
class Item:
    """What is to become of one record; `record_id` is empty for a new one, or one to find by the fields to merge on."""

    record_id: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Order:
    """A write as the client asked for it; `clear` empties what is not named, as PUT does."""

    items: tuple[Item, ...]
    typecast: bool
    merge_on: tuple[str, ...]
    clear: bool
    # {"fields": …} instead of {"records": [{"fields": …}]}; the answer has the same form.
    single: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The records as they are now, which of them are new, and why attachments are missing, if some are."""

    records: tuple[Record, ...]
    created: tuple[str, ...]
    reasons: tuple[str, ...]


def read_order(body: object, *, record_id: str = "", clear: bool = False) -> Order:
    """What the JSON of a write asks for; `record_id` where the path names one; raises ApiError for another form."""
    if not isinstance(body, Mapping):
        raise errors.invalid("Invalid request: the body is not an object")
    single = "records" not in body
    records = [{"fields": body.get("fields")}] if single else body["records"]
    if not isinstance(records, list) or not records:
        raise errors.invalid("Invalid request: give fields, or a list of records")
    if len(records) > MOST_RECORDS:
        raise errors.invalid(f"Invalid request: at most {MOST_RECORDS} records in one request")
    items = tuple(_item(record, record_id) for record in records)
    return Order(items, typecast=body.get("typecast") is True, merge_on=_merge_on(body), clear=clear, single=single)


def create(base: Base, ingest: Ingest, table: Table, order: Order) -> Written:
    """Make a record of each item."""
    if order.merge_on or any(item.record_id for item in order.items):
        raise errors.invalid("Invalid request: new records have no id, and are not merged")
    with base.lock:
        return _store(base, ingest, table, [(base.blank(), item) for item in order.items], order)


def update(base: Base, ingest: Ingest, table: Table, order: Order) -> Written:
    """Change the record of each item, or with fields to merge on make it where none matches."""
    with base.lock:
        merge_on = [_merge_field(table, name) for name in order.merge_on]
        targets = [(_target(base, table, item, merge_on, order), item) for item in order.items]
        ids = [record.id for record, _ in targets]
        if len(set(ids)) < len(ids):
            raise errors.invalid("Invalid request: you cannot update the same record multiple times in a single request")
        return _store(base, ingest, table, targets, order)


def _store(base: Base, ingest: Ingest, table: Table, targets: Sequence[tuple[Record, Item]], order: Order) -> Written:
    reasons: list[str] = []
    records = []
    # All are checked before any is kept.
    for before, item in targets:
        changed = base.changed(table, before, item.fields, typecast=order.typecast, clear=order.clear)
        after, refused = ingest.refused(table, before, changed)
        records.append(after)
        reasons.extend(refused)
    created = tuple(record.id for record in records if base.record(table, record.id) is None)
    base.store(table, records)
    return Written(tuple(records), created, tuple(dict.fromkeys(reasons)))


def _target(base: Base, table: Table, item: Item, merge_on: Sequence[Field], order: Order) -> Record:
    # A record with an id is updated whatever its fields to merge on say.
    if item.record_id:
        record = base.record(table, item.record_id)
        if record is None:
            raise errors.no_row(item.record_id)
        return record
    if not merge_on:
        raise errors.invalid("Invalid request: every record needs an id, or performUpsert")
    keys = {name: value for name, value in item.fields.items() if table.field(name) in merge_on}
    if len(keys) < len(merge_on):
        raise errors.invalid("Invalid request: every record needs a value for each of fieldsToMergeOn")
    blank = base.blank()
    wanted = base.changed(table, blank, keys, typecast=order.typecast).cells
    found = [one for one in base.records(table) if all(one.cells.get(f.id) == wanted.get(f.id) for f in merge_on)]
    if len(found) > 1:
        raise errors.invalid(f"Invalid request: {len(found)} records match the fields to merge on, and only one may")
    return found[0] if found else blank


def _item(record: object, record_id: str) -> Item:
    if not isinstance(record, Mapping) or not isinstance(record.get("fields", {}), Mapping):
        raise errors.invalid("Invalid request: give each record fields")
    given = record.get("id", record_id)
    if not isinstance(given, str):
        raise errors.invalid("Invalid request: a record's id is text")
    return Item(given, record.get("fields", {}))


def _merge_on(body: Mapping[str, object]) -> tuple[str, ...]:
    asked = body.get("performUpsert")
    if asked is None:
        return ()
    names = asked.get("fieldsToMergeOn") if isinstance(asked, Mapping) else None
    if not isinstance(names, list) or not 1 <= len(names) <= _MOST_MERGE_FIELDS:
        raise errors.invalid(f"Invalid request: fieldsToMergeOn names one to {_MOST_MERGE_FIELDS} fields")
    return tuple(str(name) for name in names)


def _merge_field(table: Table, name: str) -> Field:
    field = table.field(name)
    if field is None:
        raise errors.unknown_field(name)
    if field.type not in _MERGEABLE:
        raise errors.invalid(f'Invalid request: records cannot be merged on field "{name}"')
    return field
