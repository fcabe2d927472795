"""How a record reads: as JSON with links that expire, and as the values that formulas compute with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.airtable.clock import Clock, stamp
from local.airtable.formula import compile_formula
from local.airtable.record import Attachment, Fetch, Record
from local.airtable.schema import Field, FieldType, Table
from local.airtable.switches import Switches
from local.airtable.values import ErrorValue, InvalidFormula, Scope, Value

# https://support.airtable.com, "Airtable attachment URL behavior": links expire 2 hours after they were returned.
URL_LIFE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Reader:
    """What reading needs beside the record: the time, the address of the server, and the records that links name."""

    clock: Clock
    switches: Switches
    address: str
    find: Callable[[str, str], tuple[Table, Record] | None]

    def shown(self, table: Table, record: Record, *, by_id: bool) -> dict[str, Any]:
        """The fields that are not empty, by name or by id, as JSON has them (hence Any)."""
        shown = {(field.id if by_id else field.name): self._json(table, field, record) for field in table.fields}
        return {name: value for name, value in shown.items() if value not in (None, "", [])}

    def scope(self, table: Table, record: Record) -> Scope:
        """The record as formulas see it."""

        def modified_at(fields: Sequence[Field]) -> datetime | None:
            times = (record.modified.get(field.id) for field in fields or table.fields)
            return max((at for at in times if at), default=None)

        now = self.switches.frozen_now or self.clock()
        return Scope(record.id, record.created_at, now, lambda field: self._value(table, field, record), modified_at)

    def _json(self, table: Table, field: Field, record: Record) -> object:
        if field.type is FieldType.ATTACHMENTS:
            return [self._attachment(one) for one in record.attachments(field.id)]
        if field.type is FieldType.LINKS:
            return [one for one in record.links(field.id) if self.find(field.links_to, one)]
        value = self._value(table, field, record)
        if isinstance(value, datetime):
            return stamp(value)
        # Formulas know no booleans.
        return int(value) if isinstance(value, bool) and field.type is FieldType.FORMULA else value

    def _value(self, table: Table, field: Field, record: Record) -> Value:
        cell = record.cells.get(field.id)
        value: Value = None if isinstance(cell, tuple) else cell
        match field.type:
            case FieldType.CREATED_TIME:
                value = record.created_at
            case FieldType.LAST_MODIFIED_TIME:
                value = self.scope(table, record).modified_at(())
            case FieldType.FORMULA:
                value = self._computed(table, field, record)
            case FieldType.DATE_TIME if isinstance(cell, str):
                value = datetime.fromisoformat(cell)
            case FieldType.LINKS:
                value = ", ".join(self._primary(field.links_to, one) for one in record.links(field.id))
            case FieldType.ATTACHMENTS:
                value = ", ".join(f"{one.filename} ({self._url(one)})" for one in record.attachments(field.id))
        return value

    def _computed(self, table: Table, field: Field, record: Record) -> Value:
        try:
            return compile_formula(field.formula, table.field)(self.scope(table, record))
        except (InvalidFormula, ErrorValue):
            return "#ERROR!"

    def _primary(self, table_id: str, record_id: str) -> str:
        found = self.find(table_id, record_id)
        value = self._value(found[0], found[0].fields[0], found[1]) if found else None
        return "" if value is None else str(value)

    def _attachment(self, attachment: Attachment) -> dict[str, object]:
        shown: dict[str, object] = {"id": attachment.id, "url": self._url(attachment), "filename": attachment.filename}
        # Only these three are always there; size and type come with the file.
        return {**shown, "size": attachment.size, "type": attachment.type} if attachment.state is Fetch.KEPT else shown

    def _url(self, attachment: Attachment) -> str:
        expires_ms = int((self.clock() + URL_LIFE).timestamp() * 1000)
        return f"{self.address}/v0/attachments/{attachment.id}/{expires_ms}/{quote(attachment.filename, safe='')}"
