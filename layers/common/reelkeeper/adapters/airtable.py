"""Airtable: the only module that talks to it, through pyairtable with the one retry strategy that is safe.

pyairtable's own default gives up a 429 after 3 seconds where Airtable refuses for 30, and repeats a POST whose answer was
lost (measured with 3.5.1, 2026-11-23); so nothing is repeated here but connecting, and the message goes back to the queue.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from pyairtable import Api
from pyairtable.formulas import OR, Formula, field_name, quoted
from pyairtable.utils import chunked
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from reelkeeper.adapters.pace import RATE_LIMIT_WAIT, WHILE_CLOSED, UsedUp
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.schema import Field, Schema
from reelkeeper.metric import Metric
from reelkeeper.telemetry import record

RECORDS_PER_WRITE = 10
RECORDS_PER_READ = 100
_RETRY = Retry(total=3, connect=3, read=0, other=0, status=0, redirect=0, backoff_factor=0.2, raise_on_status=False)
_TIMEOUT_S = (4, 25)
# Unknown field name: "Voiceover URL"
_QUOTED = re.compile(r'"([^"]+)"')
_REMEDIES = {
    401: "; put a valid airtable_token into the secret",
    403: "; give the token data.records:read and :write on this base, and check the names in the mapping",
    429: "; the workspace's monthly API calls are used up: upgrade the plan or wait for next month",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its id and the fields that are not empty, under their names; `created_at` as Airtable writes it."""

    record_id: str
    fields: Mapping[str, Any]
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The rows as they are after a write, by id. `reasons` is why Airtable left out attachments although it answered 200."""

    rows: Mapping[str, Row]
    reasons: tuple[str, ...] = ()


class UnknownField(Refused):
    """The table has no field of a name that was written or asked for; `field` is that name, where Airtable says it."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason)
        self.field = field


class UnknownOption(Refused):
    """A select field has no option of a name that was written; `option` is that name, where Airtable says it."""

    def __init__(self, reason: str, *, option: str | None = None) -> None:
        super().__init__(reason)
        self.option = option


class Pace(Protocol):
    """When a request may be made, for all who use this base; see adapters/pace.py."""

    def turn(self) -> AbstractContextManager[None]: ...
    def refused(self) -> None: ...
    def used_up(self) -> None: ...


class Airtable:
    """One base. What is known of its fields, from its schema or from its refusals, is kept for as long as this object."""

    # Whether the token was refused, for reading the schema alone excepted, which it need not be good for.
    refused = False
    _known: Schema | None = None
    _lacking: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, *, token: str, base_id: str, endpoint: str, pace: Pace | None = None) -> None:
        self._api = Api(token, endpoint_url=endpoint, timeout=_TIMEOUT_S, retry_strategy=None)
        self._pace = pace or _NoPace()
        for scheme in ("https://", "http://"):
            self._api.session.mount(scheme, _Paced(self._pace))
        self._api.session.hooks["response"].append(_counted)
        self._base_id = base_id

    def schema(self) -> Schema:
        """The base's tables and fields, read anew; raises Refused where the token lacks the scope schema.bases:read."""
        with self._translated("of the base's schema"):
            answer = self._api.get(self._api.build_url("meta/bases", self._base_id, "tables"))
        self._known = _schema(answer["tables"])
        self._lacking = frozenset()
        return self._known

    def lacks(self, table: str, field: str) -> bool:
        """Whether the base is known to have no such field; what is not known is tried."""
        known = self._known is not None and table in self._known.tables and self._known.lacks(table, field)
        return known or (table, field) in self._lacking

    def lacks_option(self, table: str, field: str, option: object) -> bool:
        """Whether a select is known to have no such option."""
        return self._known is not None and isinstance(option, str) and self._known.lacks_option(table, field, option)

    def rows(self, table: str, record_ids: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        """The rows with these ids, as far as they exist, a hundred in each request."""
        wanted = [record_id for record_id in dict.fromkeys(record_ids) if record_id.isalnum()]
        formulas = [Formula(f"RECORD_ID()={quoted(record_id)}") for record_id in wanted]
        return {row.record_id: row for row in self._find(table, formulas, fields=fields)}

    def rows_with(self, table: str, field: str, values: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        """The rows whose field has one of these values, by that value; the first where several have it."""
        formulas = [Formula(f"{field_name(field)}={quoted(value)}") for value in dict.fromkeys(values)]
        rows = self._find(table, formulas, fields=[*fields, field])
        return {str(row.fields[field]): row for row in reversed(tuple(rows)) if field in row.fields}

    def pages(self, table: str, *, fields: Sequence[str], formula: str = "") -> Iterator[list[Row]]:
        """All rows, or those for which the formula holds, a hundred at a time; nothing is read before it is asked for."""
        wanted = [field for field in dict.fromkeys(fields) if not self.lacks(table, field)]
        options: dict[str, Any] = {"fields": wanted} if wanted else {}
        found = self._api.table(self._base_id, table).iterate(**options, **({"formula": formula} if formula else {}))
        while True:
            with self._translated(table):
                page = next(found, None)
            if page is None:
                return
            yield [Row(record["id"], record["fields"], record.get("createdTime")) for record in page]

    def write(self, table: str, rows: Sequence[Row]) -> Written:
        """PATCH these rows, ten in each request; raises UnknownField or Refused when Airtable says no."""
        after: dict[str, Row] = {}
        reasons: list[str] = []
        for some in chunked(rows, RECORDS_PER_WRITE):
            records = [{"id": row.record_id, "fields": dict(row.fields)} for row in some]
            with self._translated(table):
                # pyairtable's own batch methods drop `details`, the only sign that an attachment was left out.
                answer = self._api.patch(self._api.table(self._base_id, table).urls.records, json={"records": records})
            after |= {one["id"]: Row(one["id"], one["fields"]) for one in answer["records"]}
            reasons += answer.get("details", {}).get("reasons", ())
        return Written(after, tuple(dict.fromkeys(reasons)))

    def _find(self, table: str, formulas: Sequence[Formula], *, fields: Sequence[str]) -> Iterator[Row]:
        for some in chunked(formulas, RECORDS_PER_READ):
            try:
                found = [row for page in self.pages(table, fields=fields, formula=str(OR(*some))) for row in page]
            except UnknownField:
                # The base lacks one of the fields: what it has is still worth reading, the write will name what is missing.
                found = [row for page in self.pages(table, fields=(), formula=str(OR(*some))) for row in page]
            yield from found

    @contextmanager
    def _translated(self, table: str) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:
            raise self._verdict(error, table) from error
        except requests.RequestException as error:
            where = f"if this lasts, check AirtableEndpoint ({self._api.endpoint_url})"
            raise RetryLater(f"Airtable did not answer: {type(error).__name__}; {where}") from error
        except (KeyError, TypeError, AttributeError) as error:
            # Valid JSON of another form, or a page of HTML with status 200, comes from what stands before Airtable.
            raise RetryLater(f"Airtable answered something else than rows: {type(error).__name__}") from error

    def _verdict(self, error: requests.HTTPError, table: str) -> Exception:
        status = error.response.status_code
        kind, message = _said(error.response)
        where = f"Airtable, table {table!r}: {status} {kind}: {message}"
        if status == 401 or (status == 403 and "/meta/" not in error.response.url):
            self.refused = True
        if status == 429:
            return self._too_many(where, kind)
        if status >= 500:
            return RetryLater(where)
        if status == 404 or kind == "ROW_DOES_NOT_EXIST":
            return Gone(where)
        named = next(iter(_QUOTED.findall(message)), None)
        if kind == "UNKNOWN_FIELD_NAME":
            if named is not None:
                self._lacking |= {(table, named)}
            return UnknownField(f"{where}; add the field to the base or empty its name in the mapping", field=named)
        if kind == "INVALID_MULTIPLE_CHOICE_OPTIONS":
            return UnknownOption(f"{where}; add the option to the field or change its name in the mapping", option=named)
        return Refused(f"{where}{_REMEDIES.get(status, '')}")

    def _too_many(self, where: str, kind: str) -> RetryLater:
        """The two kinds of 429: wait half a minute, or wait for a person."""
        if "BILLING" in kind:
            self._pace.used_up()
            return UsedUp(f"{where}{_REMEDIES[429]}", delay=WHILE_CLOSED)
        self._pace.refused()
        return RetryLater(where, delay=RATE_LIMIT_WAIT)


class _Paced(HTTPAdapter):
    """Every single request has its turn, whichever call of pyairtable makes it."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(max_retries=_RETRY)
        self._pace = pace

    def send(self, *args: Any, **options: Any) -> requests.Response:
        with self._pace.turn():
            return super().send(*args, **options)


class _NoPace:
    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def refused(self) -> None:
        """Nobody else is there to be told."""

    def used_up(self) -> None:
        """Nobody else is there to be told."""


def _counted(response: requests.Response, *_: object, **__: object) -> None:
    record(Metric.AIRTABLE_REQUESTS_TOTAL)
    if response.status_code == 429:
        kind, _message = _said(response)
        record(Metric.AIRTABLE_QUOTA_TOTAL if "BILLING" in kind else Metric.AIRTABLE_THROTTLED_TOTAL)


def _schema(tables: Sequence[Mapping[str, Any]]) -> Schema:
    known: dict[str, Mapping[str, Field]] = {}
    for table in tables:
        fields = {}
        for one in table["fields"]:
            choices = one.get("options", {}).get("choices") if one["type"] in ("singleSelect", "multipleSelects") else None
            options = frozenset(choice["name"] for choice in choices) if choices is not None else None
            fields[one["name"]] = Field(one["type"], options)
        known[table["name"]] = known[table["id"]] = fields
    return Schema(known)


def _said(response: requests.Response) -> tuple[str, str]:
    """The kind and the message of Airtable's error, which comes in two shapes (and as HTML from what stands before it)."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return "", response.text[:200]
    return (str(error.get("type", "")), str(error.get("message", ""))) if isinstance(error, dict) else (str(error), "")
