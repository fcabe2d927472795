"""What a formula computes with: values, their coercions and comparisons, and the record they are read from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from local.airtable.clock import stamp
from local.airtable.schema import Field

# None is BLANK(); attachments and links come as text.
Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Scope:
    """One record, as a formula sees it; `modified_at` answers for the given fields, or for all when none is given."""

    record_id: str
    created_at: datetime
    now: datetime
    value: Callable[[Field], Value]
    modified_at: Callable[[Sequence[Field]], datetime | None]


Evaluate = Callable[[Scope], Value]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a formula: how to compute it, its source, and, for functions that ask, the field or the text it stands for."""

    evaluate: Evaluate
    source: str = ""
    field: Field | None = None
    literal: str | None = None


class InvalidFormula(Exception):
    """The formula is refused before any record is looked at."""


class ErrorValue(Exception):
    """`#Error!`: the formula holds for other records, not for this one."""


def truth(value: Value) -> bool:
    """Whether Airtable lists a record for which the formula gives this value."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return value is not None and value not in ("", 0)


def text(value: Value) -> str:
    """The value as `&` sees it."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case datetime():
            return stamp(value)
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


def number(value: Value) -> float:
    """The value as a count; blank is 0."""
    if value is None:
        return 0
    if isinstance(value, int | float):
        return value
    raise ErrorValue(f"not a number: {text(value)}")


def moment(value: Value) -> datetime | None:
    """The value as a time, read from ISO 8601 where it is text; blank stays blank."""
    match value:
        case None | "":
            return None
        case datetime():
            return value
        case str():
            try:
                parsed = datetime.fromisoformat(value)
            except ValueError as error:
                raise ErrorValue(f"not a date: {value}") from error
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    raise ErrorValue(f"not a date: {text(value)}")


def compare(left: Value, operator: str, right: Value) -> bool:
    """`=`, `!=`, `<`, `<=`, `>`, `>=`; blank equals `""`, 0 and false, as in Airtable."""
    match operator:
        case "=":
            return _same(left, right)
        case "!=":
            return not _same(left, right)
        case "<":
            return _order(left, right) < 0
        case "<=":
            return _order(left, right) <= 0
        case ">":
            return _order(left, right) > 0
    return _order(left, right) >= 0


def _same(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return not truth(left) and not truth(right)
    if isinstance(left, datetime) or isinstance(right, datetime):
        return moment(left) == moment(right)
    return left == right


def _order(left: Value, right: Value) -> float:
    if isinstance(left, datetime) or isinstance(right, datetime):
        earlier, later = moment(left), moment(right)
        # A blank date is neither before nor after: NaN makes every comparison false.
        return (earlier - later).total_seconds() if earlier and later else math.nan
    if isinstance(left, str | None) and isinstance(right, str | None):
        one, other = left or "", right or ""
        return (one > other) - (one < other)
    return number(left) - number(right)
