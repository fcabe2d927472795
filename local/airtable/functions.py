"""The functions a formula may call: those which the engine, pyairtable's users and this project's queries call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.airtable.schema import Field
from local.airtable.values import ErrorValue, Evaluate, InvalidFormula, Node, Scope, Value, moment, number, text, truth

_UNITS = {
    "milliseconds": timedelta(milliseconds=1),
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}
# How much of a time IS_SAME looks at: the number of characters of its ISO form.
_PRECISIONS = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19}
_MANY = 1000


@dataclass(frozen=True, slots=True)
class _Function:
    least: int
    most: int
    build: Callable[[Sequence[Node]], Evaluate]


def call(name: str, arguments: Sequence[Node]) -> Evaluate:
    """How to compute `name(arguments)`; raises InvalidFormula for an unknown name or a wrong number of arguments."""
    function = _FUNCTIONS.get(name.upper())
    if function is None:
        raise InvalidFormula(f"Unknown function: {name}")
    if not function.least <= len(arguments) <= function.most:
        raise InvalidFormula(f"Invalid arguments for function {name.upper()}")
    return function.build(arguments)


def _constant(value: Value) -> Callable[[Sequence[Node]], Evaluate]:
    return lambda _arguments: lambda _scope: value


def _and(arguments: Sequence[Node]) -> Evaluate:
    return lambda scope: all(truth(one.evaluate(scope)) for one in arguments)


def _or(arguments: Sequence[Node]) -> Evaluate:
    return lambda scope: any(truth(one.evaluate(scope)) for one in arguments)


def _not(arguments: Sequence[Node]) -> Evaluate:
    return lambda scope: not truth(arguments[0].evaluate(scope))


def _if(arguments: Sequence[Node]) -> Evaluate:
    condition, positive, *rest = arguments
    negative = rest[0].evaluate if rest else lambda _scope: None
    return lambda scope: positive.evaluate(scope) if truth(condition.evaluate(scope)) else negative(scope)


def _last_modified(arguments: Sequence[Node]) -> Evaluate:
    fields: list[Field] = [one.field for one in arguments if one.field]
    if len(fields) < len(arguments):
        raise InvalidFormula("LAST_MODIFIED_TIME takes fields only")
    return lambda scope: scope.modified_at(fields)


def _parse(arguments: Sequence[Node]) -> Evaluate:
    return lambda scope: moment(arguments[0].evaluate(scope))


def _difference(arguments: Sequence[Node]) -> Evaluate:
    first, second = arguments[0].evaluate, arguments[1].evaluate
    unit = _UNITS[_literal(arguments[2], _UNITS)] if len(arguments) > 2 else _UNITS["seconds"]

    def evaluate(scope: Scope) -> Value:
        later, earlier = moment(first(scope)), moment(second(scope))
        # Whole units towards zero: 23 h 59 min are 23 hours.
        return int((later - earlier) / unit) if later and earlier else None

    return evaluate


def _add(arguments: Sequence[Node]) -> Evaluate:
    unit = _UNITS[_literal(arguments[2], _UNITS)]

    def evaluate(scope: Scope) -> Value:
        start = moment(arguments[0].evaluate(scope))
        try:
            return start + number(arguments[1].evaluate(scope)) * unit if start else None
        except OverflowError as error:
            raise ErrorValue("beyond the calendar") from error

    return evaluate


def _dates(holds: Callable[[datetime, datetime], bool]) -> Callable[[Sequence[Node]], Evaluate]:
    def build(arguments: Sequence[Node]) -> Evaluate:
        def evaluate(scope: Scope) -> Value:
            first, second = (moment(one.evaluate(scope)) for one in arguments[:2])
            return first is not None and second is not None and holds(first, second)

        return evaluate

    return build


def _is_same(arguments: Sequence[Node]) -> Evaluate:
    length = _PRECISIONS[_literal(arguments[2], _PRECISIONS)] if len(arguments) > 2 else None
    return _dates(lambda first, second: _iso(first)[:length] == _iso(second)[:length])(arguments)


def _find(*, fold: bool) -> Callable[[Sequence[Node]], Evaluate]:
    def build(arguments: Sequence[Node]) -> Evaluate:
        def evaluate(scope: Scope) -> Value:
            needle, place = (text(one.evaluate(scope)) for one in arguments[:2])
            start = int(number(arguments[2].evaluate(scope))) if len(arguments) > 2 else 1
            if fold:
                needle, place = needle.casefold(), place.casefold()
            # Both count from 1; where nothing is found FIND says 0 and SEARCH blank.
            return place.find(needle, max(start - 1, 0)) + 1 or (None if fold else 0)

        return evaluate

    return build


def _literal(argument: Node, allowed: dict[str, timedelta] | dict[str, int]) -> str:
    unit = (argument.literal or "").lower()
    for name in (unit, f"{unit}s", unit.removesuffix("s")):
        if name in allowed:
            return name
    raise InvalidFormula(f"Unsupported unit: {argument.literal or argument.source}")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


_FUNCTIONS = {
    "AND": _Function(1, _MANY, _and),
    "OR": _Function(1, _MANY, _or),
    "NOT": _Function(1, 1, _not),
    "IF": _Function(2, 3, _if),
    "BLANK": _Function(0, 0, _constant(None)),
    "TRUE": _Function(0, 0, _constant(True)),
    "FALSE": _Function(0, 0, _constant(False)),
    "RECORD_ID": _Function(0, 0, lambda _arguments: lambda scope: scope.record_id),
    "CREATED_TIME": _Function(0, 0, lambda _arguments: lambda scope: scope.created_at),
    "LAST_MODIFIED_TIME": _Function(0, _MANY, _last_modified),
    "NOW": _Function(0, 0, lambda _arguments: lambda scope: scope.now),
    "DATETIME_PARSE": _Function(1, 1, _parse),
    "DATETIME_DIFF": _Function(2, 3, _difference),
    "DATEADD": _Function(3, 3, _add),
    "IS_BEFORE": _Function(2, 2, _dates(lambda first, second: first < second)),
    "IS_AFTER": _Function(2, 2, _dates(lambda first, second: first > second)),
    "IS_SAME": _Function(2, 3, _is_same),
    "FIND": _Function(2, 3, _find(fold=False)),
    "SEARCH": _Function(2, 3, _find(fold=True)),
    "LEN": _Function(1, 1, lambda arguments: lambda scope: len(text(arguments[0].evaluate(scope)))),
}
