"""The base: its tables and records, safe for many threads, readable and changeable by tests in the same process."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.airtable import cells, errors
from local.airtable.clock import Clock, system
from local.airtable.reading import Reader
from local.airtable.record import Attachment, Cell, Fetch, Record
from local.airtable.schema import Field, FieldType, Option, Table, new_id, stable_id
from local.airtable.switches import Switches
from local.airtable.values import Scope

OnAttach = Callable[[str, str, str, Attachment], None]


class Base:
    """Tables with records; a table is named by name or id, a field too, a record by id.

    What is done here in the process is checked as over HTTP (`ApiError`), but is neither limited, nor made to fail, nor in
    the journal.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.lock = threading.RLock()
        self._tables = {table.id: table for table in tables}
        self._records: dict[str, dict[str, Record]] = {table.id: {} for table in tables}
        self._clock: Clock = system
        self._reader = Reader(clock=system, switches=Switches(), address="", find=self._find)
        self._on_attach: OnAttach = lambda *_: None

    def connect(self, *, clock: Clock, switches: Switches, address: str, on_attach: OnAttach) -> None:
        """Take the time, the switches and the address of a running server, which fetches what is attached."""
        self._clock, self._on_attach = clock, on_attach
        self._reader = Reader(clock=clock, switches=switches, address=address, find=self._find)

    # For tests and people in the same process.

    def create(self, table: str, fields: Mapping[str, object]) -> str:
        """The id of a new record."""
        with self.lock:
            found = self._known(table)
            record = self.changed(found, self.blank(), fields)
            self.store(found, [record])
        return record.id

    def get(self, table: str, record_id: str) -> dict[str, Any]:
        """The record's fields as the API shows them, by name; KeyError when it is not there."""
        with self.lock:
            found = self._known(table)
            return self.shown(found, self._records[found.id][record_id])

    def all(self, table: str) -> dict[str, dict[str, Any]]:
        """Every record's fields, by record id."""
        with self.lock:
            found = self._known(table)
            return {record.id: self.shown(found, record) for record in self.records(found)}

    def change(self, table: str, record_id: str, fields: Mapping[str, object]) -> None:
        """Set these fields, None to empty one, as a user would."""
        with self.lock:
            found = self._known(table)
            self.store(found, [self.changed(found, self._records[found.id][record_id], fields)])

    def delete(self, table: str, record_id: str) -> None:
        """Take the record away."""
        with self.lock:
            del self._records[self._known(table).id][record_id]

    def add_field(
        self, table: str, name: str, kind: FieldType = FieldType.TEXT, *, options: Sequence[str] = (), formula: str = ""
    ) -> Field:
        """The table's new last field."""
        choices = tuple(Option(stable_id("sel", table, name, option), option) for option in options)
        field = Field(stable_id("fld", table, name), name, kind, options=choices, formula=formula)
        with self.lock:
            self._put_table(self._known(table).having(field))
        return field

    def remove_field(self, table: str, field: str) -> None:
        """Take the field away, with what is in it."""
        with self.lock:
            self._put_table(self._known(table).lacking(self._field(table, field)))

    def rename_field(self, table: str, field: str, name: str) -> None:
        """Call the field otherwise; its id stays."""
        with self.lock:
            self._put_table(self._known(table).having(replace(self._field(table, field), name=name)))

    def lock_field(self, table: str, field: str, *, locked: bool = True) -> None:
        """Let nobody with this token write the field, or let them again."""
        with self.lock:
            self._put_table(self._known(table).having(replace(self._field(table, field), locked=locked)))

    # For the server.

    def tables(self) -> list[Table]:
        """All tables, in their order."""
        return list(self._tables.values())

    def table(self, name_or_id: str) -> Table | None:
        """The table of this name or id."""
        return next((table for table in self.tables() if name_or_id in (table.name, table.id)), None)

    def records(self, table: Table) -> list[Record]:
        """All records, the oldest first."""
        with self.lock:
            return list(self._records[table.id].values())

    def record(self, table: Table, record_id: str) -> Record | None:
        """The record of this id."""
        return self._records[table.id].get(record_id)

    def place_of(self, record_id: str) -> tuple[Table, Record] | None:
        """The record of this id, in whichever table."""
        with self.lock:
            places = ((table, self.record(table, record_id)) for table in self.tables())
            return next(((table, record) for table, record in places if record), None)

    def blank(self) -> Record:
        """A new record with nothing in it."""
        return Record(new_id("rec"), self._clock(), cells={}, modified={})

    def changed(
        self, table: Table, record: Record, fields: Mapping[str, object], *, typecast: bool = False, clear: bool = False
    ) -> Record:
        """The record with these fields written, not yet stored; `clear` empties those not named, as PUT does."""
        written: dict[str, Cell | None] = {}
        if clear:
            written = {field.id: None for field in table.fields if field.id in record.cells}
        for name, value in fields.items():
            field = table.field(name)
            if field is None:
                raise errors.unknown_field(name)
            present = record.attachments(field.id)
            cell = cells.check(field, value, typecast=typecast, present=present, exists=self._exists)
            if field.type is FieldType.SELECT and isinstance(cell, str) and not field.option(cell) and not typecast:
                raise errors.unknown_option(cell)
            written[field.id] = cell
        now = self._clock()
        filled = {name: cell for name, cell in {**record.cells, **written}.items() if cell is not None}
        return replace(record, cells=filled, modified={**record.modified, **dict.fromkeys(written, now)})

    def store(self, table: Table, records: Iterable[Record]) -> None:
        """Keep these records, make the select options they need, and have their new attachments fetched."""
        with self.lock:
            for record in records:
                before = self.record(table, record.id)
                self._records[table.id][record.id] = record
                for field in table.fields:
                    self._make_option(table, field, record)
                    known = before.attachments(field.id) if before else ()
                    for attachment in record.attachments(field.id):
                        if attachment not in known and attachment.state is Fetch.PENDING:
                            self._on_attach(table.id, record.id, field.id, attachment)

    def attach(self, table: Table, record: Record, field: Field, attachment: Attachment) -> None:
        """Put one more attachment into the cell, as `uploadAttachment` does."""
        cell = (*record.attachments(field.id), attachment)
        modified = {**record.modified, field.id: self._clock()}
        self.store(table, [replace(record, cells={**record.cells, field.id: cell}, modified=modified)])

    def fetched(self, table_id: str, record_id: str, field_id: str, attachment: Attachment | None, *, of: str) -> None:
        """Put the attachment in the place of the one with the id `of`, or clear it; not a user's modification."""
        with self.lock:
            record = self._records[table_id].get(record_id)
            if record is None:
                return
            kept = (attachment if one.id == of else one for one in record.attachments(field_id))
            cell = tuple(one for one in kept if one)
            filled = {name: value for name, value in {**record.cells, field_id: cell}.items() if value != ()}
            self._records[table_id][record_id] = replace(record, cells=filled)

    def attachment(self, attachment_id: str) -> Attachment | None:
        """The attachment of this id, wherever it is."""
        with self.lock:
            files = (
                one
                for table in self.tables()
                for record in self.records(table)
                for f in table.fields
                for one in record.attachments(f.id)
            )
            return next((one for one in files if one.id == attachment_id), None)

    def shown(self, table: Table, record: Record, *, by_id: bool = False) -> dict[str, Any]:
        """The fields that are not empty, by name or by id, as JSON has them."""
        return self._reader.shown(table, record, by_id=by_id)

    def scope(self, table: Table, record: Record) -> Scope:
        """The record as formulas see it."""
        return self._reader.scope(table, record)

    def _find(self, table_id: str, record_id: str) -> tuple[Table, Record] | None:
        record = self._records[table_id].get(record_id)
        return (self._tables[table_id], record) if record else None

    def _exists(self, table_id: str, record_id: str) -> bool:
        return record_id in self._records.get(table_id, {})

    def _make_option(self, table: Table, field: Field, record: Record) -> None:
        cell = record.cells.get(field.id)
        if field.type is FieldType.SELECT and isinstance(cell, str) and not field.option(cell):
            made = replace(field, options=(*field.options, Option(new_id("sel"), cell)))
            self._put_table(self._tables[table.id].having(made))

    def _known(self, table: str) -> Table:
        found = self.table(table)
        if found is None:
            raise KeyError(f"no table {table!r}; there are {', '.join(one.name for one in self.tables())}")
        return found

    def _field(self, table: str, name: str) -> Field:
        found = self._known(table).field(name)
        if found is None:
            raise KeyError(f"no field {name!r} in {table!r}")
        return found

    def _put_table(self, table: Table) -> None:
        self._tables[table.id] = table
