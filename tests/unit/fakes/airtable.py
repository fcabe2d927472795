"""Airtable: rows by table, with the moods of the real one."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

from reelkeeper.adapters.airtable import Airtable, Row, Written
from reelkeeper.domain.errors import Gone, Refused
from reelkeeper.domain.moment import parse_moment
from reelkeeper.domain.schema import Schema


class FakeAirtable(Airtable):
    """Tables of rows; `down` is what every call raises, `refuses` what a write of one row raises, if anything."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
        self.writes: list[tuple[str, tuple[Row, ...]]] = []
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        self.down: Exception | None = None
        self.refuses: Callable[[str, Row], Exception | None] = lambda _table, _row: None
        # What a write of 200 says in `details`, and whether it left new attachments out.
        self.reasons: tuple[str, ...] = ()
        self.leaves_out = False
        self._ids = count(1)

    def rows(self, table: str, record_ids: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        self._answer(table, record_ids)
        there = self.tables[table]
        return {one: self._shown(one, there[one], fields or tuple(there[one])) for one in record_ids if one in there}

    def rows_with(self, table: str, field: str, values: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        self._answer(table, values)
        found = [(record_id, row) for record_id, row in reversed(self.tables[table].items()) if row.get(field) in values]
        return {str(row[field]): self._shown(record_id, row, fields) for record_id, row in found}

    def pages(self, table: str, *, fields: Sequence[str], formula: str = "") -> Iterator[list[Row]]:
        """All rows, or those that are open and old enough by the formula's own cut-off, a hundred at a time."""
        self._answer(table, ("pages",))
        if not formula:
            yield [self._shown(record_id, row, fields or tuple(row)) for record_id, row in self.tables[table].items()]
            return
        cutoff = parse_moment(formula.partition("DATETIME_PARSE('")[2].partition("'")[0])
        rows = [
            Row(record_id, {name: row[name] for name in fields if row.get(name) not in ("", [], None)}, str(row["created_at"]))
            for record_id, row in self.tables[table].items()
            if f"='{row.get('Status')}'" in formula and parse_moment(str(row["created_at"])) < cutoff
        ]
        for start in range(0, max(len(rows), 1), 100):
            yield rows[start : start + 100]

    def write(self, table: str, rows: Sequence[Row]) -> Written:
        if self.down is not None:
            raise self.down
        self.writes.append((table, tuple(rows)))
        for row in rows:
            if (error := self.refuses(table, row)) is not None:
                raise error
            if row.record_id not in self.tables[table]:
                raise Gone(f"Airtable, table {table!r}: 422 ROW_DOES_NOT_EXIST")
        for row in rows:
            there = self.tables[table][row.record_id]
            there.update({name: self._taken(value, there.get(name)) for name, value in row.fields.items()})
        now = {row.record_id: self.tables[table][row.record_id] for row in rows}
        return Written({one: self._shown(one, row, tuple(row)) for one, row in now.items()}, self.reasons)

    def schema(self) -> Schema:
        raise Refused("Airtable: 403; give the token schema.bases:read")

    def _taken(self, value: object, before: object) -> object:
        """A cell as Airtable keeps it: it mints an id for each attachment that comes by its URL."""
        if not isinstance(value, list):
            return value
        known = {one["id"]: one for one in before if "id" in one} if isinstance(before, list) else {}
        return [self._attachment(one, known) for one in value if not (self.leaves_out and "url" in one)]

    def _attachment(self, one: object, known: Mapping[str, object]) -> object:
        if not isinstance(one, dict):
            return one
        return {"id": f"att{next(self._ids)}", **one} if "url" in one else known.get(one["id"], one)

    def fetch(self, table: str, record_id: str, field: str, **changes: object) -> None:
        """Airtable has fetched what is in the cell: size and type are there, as `changes` say."""
        cell = self.tables[table][record_id][field]
        assert isinstance(cell, list)
        self.tables[table][record_id][field] = [{**one, "type": "video/mp4", **changes} for one in cell]

    def _shown(self, record_id: str, row: Mapping[str, object], fields: Sequence[str]) -> Row:
        return Row(record_id, {name: value for name, value in row.items() if name in fields and value not in ("", [], None)})

    def _answer(self, table: str, asked: Sequence[str]) -> None:
        if self.down is not None:
            raise self.down
        self.reads.append((table, tuple(asked)))
