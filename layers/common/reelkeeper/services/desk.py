"""The desk: rows as they were read and as they are to be, written ten at a time, each row as much as its base can take."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from reelkeeper.adapters.airtable import RECORDS_PER_WRITE, Row, UnknownField, UnknownOption, Written
from reelkeeper.domain.attaching import LEFT_OUT
from reelkeeper.domain.errors import Refused, RetryLater

Failure = RetryLater | Refused
# A table and a record id.
Place = tuple[str, str]
# Airtable answers 200 and says in `details` that it took too many attachments in a short time.
_ATTACHMENT_WAIT = timedelta(seconds=30)
_TOO_MANY = "attachmentUploadRateIsTooHigh"


class Airtable(Protocol):
    def rows(self, table: str, record_ids: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]: ...
    def rows_with(self, table: str, field: str, values: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]: ...
    def write(self, table: str, rows: Sequence[Row]) -> Written: ...
    def lacks(self, table: str, field: str) -> bool: ...
    def lacks_option(self, table: str, field: str, option: object) -> bool: ...


@dataclass(slots=True)
class Desk:
    """What was read, what is to change in each row, what the row is now, and what went wrong, by table and record id."""

    airtable: Airtable
    read: dict[Place, Mapping[str, Any]] = field(default_factory=dict)
    seen: dict[Place, dict[str, Any]] = field(default_factory=dict)
    changes: dict[Place, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    after: dict[Place, Mapping[str, Any]] = field(default_factory=dict)
    failures: dict[Place, Failure] = field(default_factory=dict)
    dropped: dict[Place, str] = field(default_factory=dict)

    def note(self, table: str, rows: Iterable[Row]) -> None:
        for row in rows:
            self.read.setdefault((table, row.record_id), row.fields)
            self.seen.setdefault((table, row.record_id), dict(row.fields))

    def now(self, place: Place) -> Mapping[str, Any]:
        """The row as it is now, as far as it was read or written."""
        return {**self.read.get(place, {}), **self.after.get(place, {})}

    def change(self, place: Place, changes: Mapping[str, Any]) -> None:
        # Two jobs of one row in a batch: the second is compared with what the first is going to write.
        self.seen[place].update(changes)
        if changes:
            self.changes[place].update(changes)

    def write(self, table: str, *, optional: Sequence[str]) -> None:
        """Write all changes to one table; one row that Airtable refuses does not hold up the others."""
        rows = [self._possible(Row(record_id, changes), table, optional) for record_id, changes in self._of(table)]
        whole = [row for row in rows if row.fields]
        for start in range(0, len(whole), RECORDS_PER_WRITE):
            self._write(table, whole[start : start + RECORDS_PER_WRITE], optional=optional)

    def _of(self, table: str) -> list[tuple[str, dict[str, Any]]]:
        return [(record_id, changes) for (of, record_id), changes in self.changes.items() if of == table]

    def _possible(self, row: Row, table: str, optional: Sequence[str]) -> Row:
        """The row without what the base is known to lack: what would be refused costs no request."""
        kept = {}
        for name, value in row.fields.items():
            if name in optional and self.airtable.lacks(table, name):
                # Said once, by the preflight.
                continue
            if name in optional and self.airtable.lacks_option(table, name, value):
                reason = f"field {name!r} of table {table!r} has no option {value!r}; add it, or change its name in the mapping"
                self.dropped[(table, row.record_id)] = reason
                continue
            kept[name] = value
        return Row(row.record_id, kept)

    def _write(self, table: str, rows: Sequence[Row], *, optional: Sequence[str]) -> None:
        try:
            written = self.airtable.write(table, rows)
        except RetryLater as error:
            self.failures.update({(table, row.record_id): error for row in rows})
        except Refused as error:
            self._write_less(table, rows, error, optional=optional)
        else:
            for row in rows:
                self._take(table, row, written)

    def _take(self, table: str, row: Row, written: Written) -> None:
        """Note what the row is now, and notice an attachment that Airtable left out of a write it answered with 200."""
        place = (table, row.record_id)
        now = written.rows.get(row.record_id, Row(row.record_id, {})).fields
        self.after[place] = {name: now.get(name) for name in {**row.fields, **now}}
        if not written.reasons:
            return
        for name, value in row.fields.items():
            sent = {one["filename"] for one in value if "url" in one} if isinstance(value, list) else set()
            if not sent or sent <= {one.get("filename") for one in now.get(name) or ()}:
                continue
            if _TOO_MANY in written.reasons:
                reason = "Airtable takes no more attachments right now (attachmentUploadRateIsTooHigh)"
                self.failures[place] = RetryLater(reason, delay=_ATTACHMENT_WAIT)
            else:
                self.dropped[place] = f"{LEFT_OUT} ({', '.join(written.reasons)})"

    def _write_less(self, table: str, rows: Sequence[Row], error: Refused, *, optional: Sequence[str]) -> None:
        """Leave out what the base turns out to lack, a field or an option: better the file without its status than no file."""
        less = [self._without(row, error, optional) for row in rows]
        if less != list(rows):
            for row, left in zip(rows, less, strict=True):
                if left != row:
                    self.dropped[(table, row.record_id)] = error.reason
            self._write(table, [row for row in less if row.fields], optional=optional)
        elif len(rows) > 1:
            for row in rows:
                self._write(table, [row], optional=optional)
        else:
            self.failures[(table, rows[0].record_id)] = error

    @staticmethod
    def _without(row: Row, error: Refused, optional: Sequence[str]) -> Row:
        """The row without the optional field or option that the error names; all of them where it names none we know."""
        if isinstance(error, UnknownField):
            lost = {name for name in optional if name == error.field}
        elif isinstance(error, UnknownOption):
            lost = {name for name in optional if error.option is not None and row.fields.get(name) == error.option}
        else:
            return row
        named = error.field if isinstance(error, UnknownField) else error.option
        kept = {name: value for name, value in row.fields.items() if name not in (lost if named else optional)}
        return Row(row.record_id, kept)
