"""What a base has, and what of the mapping it lacks: each miss with its remedy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reelkeeper.domain.mapping import JobsTable, Target
from reelkeeper.domain.mapping import Mapping as Places

_TEXT = ("singleLineText", "multilineText", "richText")
_ANY_TEXT = (*_TEXT, "url")
_STATUS = ("singleSelect", *_TEXT)


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its type as Airtable names it, and the options of a select (None: it is no select)."""

    type: str
    options: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of each table by name; a table is there under its name and its id."""

    tables: Mapping[str, Mapping[str, Field]]

    def lacks(self, table: str, field: str) -> bool:
        return field not in self.tables.get(table, {})

    def lacks_option(self, table: str, field: str, option: str) -> bool:
        known = self.tables.get(table, {}).get(field)
        return known is not None and known.options is not None and option not in known.options


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing the mapping names and the base lacks. `hurts` says that rows cannot be told rightly without it."""

    where: str
    what: str
    remedy: str
    hurts: bool = True


def misses(places: Places, schema: Schema) -> tuple[Miss, ...]:
    """Everything that the mapping names and the base lacks, in the mapping's order."""
    found = list(_of_jobs(places.jobs, schema))
    for name, target in places.operations.items():
        found += _of_target(f"operations.{name}", target, schema, jobs=places.jobs.table)
    # Operations share tables and fields, and one missing field is one piece of news.
    return tuple({miss.what: miss for miss in reversed(found)}.values())[::-1]


def _of_jobs(jobs: JobsTable, schema: Schema) -> Iterator[Miss]:
    if jobs.table not in schema.tables:
        yield _no_table("jobs.table", jobs.table)
        return
    yield from _field("jobs.status", schema, jobs.table, jobs.status, _STATUS, options=(jobs.completed, jobs.failed))
    yield from _field("jobs.external_id", schema, jobs.table, jobs.external_id, _ANY_TEXT)
    for name in ("response", "error", "request", "history"):
        yield from _field(f"jobs.{name}", schema, jobs.table, getattr(jobs, name), _TEXT, hurts=False)


def _of_target(where: str, target: Target, schema: Schema, *, jobs: str) -> Iterator[Miss]:
    if target.table not in schema.tables:
        yield _no_table(f"{where}.table", target.table)
        return
    if target.attach != "never":
        yield from _field(f"{where}.attachment", schema, target.table, target.attachment, ("multipleAttachments",))
    yield from _field(f"{where}.url", schema, target.table, target.url, _ANY_TEXT, hurts=False)
    options = tuple(option for option in (target.success, target.failure) if option)
    yield from _field(f"{where}.status", schema, target.table, target.status, _STATUS, options=options)
    if jobs in schema.tables:
        yield from _field(f"{where}.link", schema, jobs, target.link, ("multipleRecordLinks",), hurts=False)


def _no_table(where: str, table: str) -> Miss:
    return Miss(where, f"the base has no table {table!r}", f"name the right one in the mapping, at {where}")


def _field(
    where: str,
    schema: Schema,
    table: str,
    name: str,
    types: tuple[str, ...],
    *,
    options: tuple[str, ...] = (),
    hurts: bool = True,
) -> Iterator[Miss]:
    if not name:
        return
    known = schema.tables[table].get(name)
    kind = types[0] if where.rpartition(".")[2] != "url" else "url"
    if known is None:
        what = f"table {table!r} has no field {name!r}"
        yield Miss(where, what, f"add a field of that name and type {kind} to it, or change {where} in the mapping", hurts)
    elif known.type not in types:
        what = f"field {name!r} of table {table!r} is of type {known.type}"
        yield Miss(where, what, f"make it {' or '.join(types)}, or change {where} in the mapping")
    else:
        for option in options:
            if schema.lacks_option(table, name, option):
                what = f"field {name!r} of table {table!r} has no option {option!r}"
                yield Miss(where, what, "add the option to the field, or change its name in the mapping")
