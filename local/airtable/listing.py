"""Lists: which records, in which order, in pages of a hundred, with an offset that does not live for ever.

https://airtable.com/developers/web/api/list-records
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from werkzeug.datastructures import MultiDict

from local.airtable import errors
from local.airtable.base import Base
from local.airtable.clock import Clock
from local.airtable.formula import compile_formula, holds
from local.airtable.record import Record
from local.airtable.schema import Table, new_id
from local.airtable.switches import Switches
from local.airtable.values import InvalidFormula, Value, text

MOST_IN_PAGE = 100
_SORT_KEY = re.compile(r"sort\[(\d+)\]\[(field|direction)\]")


@dataclass(frozen=True, slots=True)
class Query:
    """What to list; `fields` empty for all, `offset` empty for the first page."""

    formula: str = ""
    fields: tuple[str, ...] = ()
    # Field and whether descending, the most important first.
    sort: tuple[tuple[str, bool], ...] = ()
    page_size: int = MOST_IN_PAGE
    max_records: int | None = None
    offset: str = ""
    by_id: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and where the next ones begin, empty at the end."""

    records: tuple[Record, ...]
    offset: str


def from_url(arguments: "MultiDict[str, str]") -> Query:
    """The query of a GET; raises ApiError for what does not exist here."""
    sort: dict[str, dict[str, str]] = {}
    for key, value in arguments.items():
        if match := _SORT_KEY.fullmatch(key):
            sort.setdefault(match[1], {})[match[2]] = value
    body: dict[str, object] = {key: value for key, value in arguments.items() if "[" not in key}
    numbers = {key: int(value) for key in ("pageSize", "maxRecords") if (value := arguments.get(key, "")).isdecimal()}
    by_id = arguments.get("returnFieldsByFieldId", "") in {"1", "true"}
    fields = [*arguments.getlist("fields[]"), *arguments.getlist("fields")]
    return from_json(
        {**body, **numbers, "returnFieldsByFieldId": by_id, "fields": fields, "sort": [sort[one] for one in sorted(sort)]}
    )


def from_json(body: object) -> Query:
    """The query of a POST to listRecords; raises ApiError for what does not exist here."""
    if not isinstance(body, Mapping):
        raise errors.invalid("Invalid request: the body is not an object")
    if body.get("view"):
        raise errors.ApiError(422, "VIEW_NAME_NOT_FOUND", f"View {body['view']} not found")
    if body.get("cellFormat", "json") != "json":
        raise errors.invalid("Invalid request: this stand-in knows no cellFormat but json")
    fields, sort = body.get("fields") or [], body.get("sort") or []
    if not isinstance(fields, list) or not isinstance(sort, list):
        raise errors.invalid("Invalid request: fields and sort are lists")
    return Query(
        formula=str(body.get("filterByFormula") or ""),
        fields=tuple(map(str, fields)),
        sort=tuple(_sort(one) for one in sort),
        page_size=_count(body, "pageSize", MOST_IN_PAGE) or MOST_IN_PAGE,
        max_records=_count(body, "maxRecords", None),
        offset=str(body.get("offset") or ""),
        by_id=body.get("returnFieldsByFieldId") is True,
    )


def _sort(asked: object) -> tuple[str, bool]:
    direction = asked.get("direction", "asc") if isinstance(asked, Mapping) else None
    if not isinstance(asked, Mapping) or "field" not in asked or direction not in ("asc", "desc"):
        raise errors.invalid("Invalid request: sort by a field, asc or desc")
    return str(asked["field"]), direction == "desc"


def _count(body: Mapping[str, object], name: str, most: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most and value > most):
        raise errors.invalid(f"Invalid request: {name} is a whole number from 1{f' to {most}' if most else ''}")
    return value


@dataclass(frozen=True, slots=True)
class _Iterator:
    record_ids: tuple[str, ...]
    began_at: datetime


class Listing:
    """The offsets given out, which stand for the records that matched when the first page was asked for."""

    def __init__(self, base: Base, *, clock: Clock, switches: Switches) -> None:
        self._base = base
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._iterators: dict[str, _Iterator] = {}

    def page(self, table: Table, query: Query) -> Page:
        """One page; raises ApiError 422 for an unknown field, a wrong formula, or an offset that has died."""
        for name in (*query.fields, *(field for field, _ in query.sort)):
            if table.field(name) is None:
                raise errors.unknown_field(name)
        name, ids = self._resumed(query.offset) if query.offset else ("", self._matching(table, query))
        here, rest = ids[: query.page_size], ids[query.page_size :]
        found = (self._base.record(table, record_id) for record_id in here)
        return Page(tuple(record for record in found if record), self._offset(name, ids, rest) if rest else "")

    def _matching(self, table: Table, query: Query) -> tuple[str, ...]:
        with self._base.lock:
            scopes = {record.id: self._base.scope(table, record) for record in self._base.records(table)}
            ids = list(scopes)
            if query.formula:
                try:
                    evaluate = compile_formula(query.formula, table.field)
                except InvalidFormula as error:
                    raise errors.wrong_formula(str(error)) from error
                ids = [one for one in ids if holds(evaluate, scopes[one])]
            for name, descending in reversed(query.sort):
                if field := table.field(name):
                    keys = {one: _rank(scopes[one].value(field)) for one in ids}
                    ids.sort(key=keys.__getitem__, reverse=descending)
        return tuple(ids[: query.max_records])

    def _resumed(self, offset: str) -> tuple[str, tuple[str, ...]]:
        name, _, record_id = offset.partition("/")
        with self._lock:
            iterator = self._iterators.get(name)
        ttl = self._switches.iterator_ttl
        if not iterator or record_id not in iterator.record_ids or (ttl and self._clock() - iterator.began_at >= ttl):
            raise errors.no_iterator()
        return name, iterator.record_ids[iterator.record_ids.index(record_id) :]

    def _offset(self, name: str, ids: tuple[str, ...], rest: tuple[str, ...]) -> str:
        with self._lock:
            if not name:
                name = new_id("itr")
                self._iterators[name] = _Iterator(ids, self._clock())
        return f"{name}/{rest[0]}"


def _rank(value: Value) -> tuple[int, float, str]:
    """Blank first, then numbers, then text without regard to case."""
    match value:
        case None:
            return (0, 0, "")
        case int() | float():
            return (1, value, "")
    return (2, 0, text(value).casefold())
