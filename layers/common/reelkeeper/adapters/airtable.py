"""Airtable: the only module that talks to it, through pyairtable with the one retry strategy that is safe.

pyairtable's own default gives up a 429 after 3 seconds where Airtable refuses for 30, and repeats a POST whose answer was
lost (measured with 3.5.1, 2026-11-23); so nothing is repeated here but connecting, and the message goes back to the queue.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from pyairtable import Api
from pyairtable.formulas import OR, Formula, field_name, quoted
from pyairtable.utils import chunked
from urllib3.util import Retry

from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.metric import Metric
from reelkeeper.telemetry import record

# https://airtable.com/developers/web/api/rate-limits: "wait 30 seconds before subsequent requests will succeed".
RATE_LIMIT_WAIT = timedelta(seconds=30)
RECORDS_PER_WRITE = 10
RECORDS_PER_READ = 100
_RETRY = Retry(total=3, connect=3, read=0, other=0, status=0, redirect=0, backoff_factor=0.2, raise_on_status=False)
_TIMEOUT_S = (4, 25)
_REMEDIES = {
    401: "; put a valid airtable_token into the secret",
    403: "; give the token data.records:read and :write on this base, and check the names in the mapping",
    429: "; the workspace's monthly API calls are used up: upgrade the plan or wait for next month",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its id and the fields that are not empty, under their names."""

    record_id: str
    fields: Mapping[str, Any]


class UnknownField(Refused):
    """The table has no field of a name that was written."""


class UnknownOption(Refused):
    """A select field has no option of a name that was written."""


class Airtable:
    """One base."""

    def __init__(self, *, token: str, base_id: str, endpoint: str) -> None:
        self._api = Api(token, endpoint_url=endpoint, timeout=_TIMEOUT_S, retry_strategy=_RETRY)
        self._api.session.hooks["response"].append(_counted)
        self._base_id = base_id

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

    def _find(self, table: str, formulas: Sequence[Formula], *, fields: Sequence[str]) -> Iterator[Row]:
        for some in chunked(formulas, RECORDS_PER_READ):
            try:
                records = self._all(table, OR(*some), fields=fields)
            except UnknownField:
                # The base lacks one of the fields: what it has is still worth reading, the write will name what is missing.
                records = self._all(table, OR(*some), fields=())
            yield from (Row(record["id"], record["fields"]) for record in records)

    def _all(self, table: str, formula: Formula, *, fields: Sequence[str]) -> list[Any]:
        with _translated(table):
            return list(self._api.table(self._base_id, table).all(formula=str(formula), fields=list(dict.fromkeys(fields))))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        """PATCH these rows, ten in each request; raises UnknownField or Refused when Airtable says no."""
        for some in chunked(rows, RECORDS_PER_WRITE):
            with _translated(table):
                self._api.table(self._base_id, table).batch_update(
                    [{"id": row.record_id, "fields": dict(row.fields)} for row in some]
                )


def _counted(response: requests.Response, *_: object, **__: object) -> None:
    record(Metric.AIRTABLE_REQUESTS_TOTAL)
    if response.status_code == 429:
        kind, _message = _said(response)
        record(Metric.AIRTABLE_QUOTA_TOTAL if "BILLING" in kind else Metric.AIRTABLE_THROTTLED_TOTAL)


@contextmanager
def _translated(table: str) -> Iterator[None]:
    try:
        yield
    except requests.HTTPError as error:
        raise _verdict(error, table) from error
    except requests.RequestException as error:
        raise RetryLater(f"Airtable did not answer: {type(error).__name__}") from error


def _verdict(error: requests.HTTPError, table: str) -> Exception:
    status = error.response.status_code
    kind, message = _said(error.response)
    where = f"Airtable, table {table!r}: {status} {kind}: {message}"
    if status == 429 and "BILLING" not in kind:
        return RetryLater(where, delay=RATE_LIMIT_WAIT)
    if status >= 500:
        return RetryLater(where)
    if status == 404 or kind == "ROW_DOES_NOT_EXIST":
        return Gone(where)
    if kind == "UNKNOWN_FIELD_NAME":
        return UnknownField(f"{where}; add the field to the base or empty its name in the mapping")
    if kind == "INVALID_MULTIPLE_CHOICE_OPTIONS":
        return UnknownOption(f"{where}; add the option to the field or change its name in the mapping")
    return Refused(f"{where}{_REMEDIES.get(status, '')}")


def _said(response: requests.Response) -> tuple[str, str]:
    """The kind and the message of Airtable's error, which comes in two shapes (and as HTML from what stands before it)."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return "", response.text[:200]
    return (str(error.get("type", "")), str(error.get("message", ""))) if isinstance(error, dict) else (str(error), "")
