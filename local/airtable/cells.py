"""One value on its way into a cell: is it of the field's type, and what is stored."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from local.airtable import errors
from local.airtable.clock import stamp
from local.airtable.errors import ApiError
from local.airtable.record import Attachment, Cell
from local.airtable.schema import Field, FieldType, new_id

# Whether the record of this id is in the table of this id.
Exists = Callable[[str, str], bool]


def check(field: Field, value: object, *, typecast: bool, present: Sequence[Attachment], exists: Exists) -> Cell | None:
    """What to store for the value, None for an empty cell; raises ApiError when Airtable would refuse it.

    `present` are the attachments now in the cell, which may be kept by their id.
    """
    if field.computed:
        raise errors.computed(field.name)
    if field.locked:
        raise errors.locked(field.name, field.id)
    if value is None:
        return None
    match field.type:
        case FieldType.ATTACHMENTS:
            cell: Cell | None = _attachments(field, value, present)
        case FieldType.LINKS:
            cell = _links(field, [value] if typecast and isinstance(value, str) and value else value, exists)
        case _:
            cell = _plain(field, _cast(field, value) if typecast else value)
    # Airtable does not keep "", [] and false: they read back as no field at all.
    return None if cell is None or cell is False or cell in ("", ()) else cell


def _plain(field: Field, value: object) -> Cell | None:
    match field.type, value:
        case (_, None):
            return None
        case (FieldType.TEXT | FieldType.LONG_TEXT | FieldType.SELECT, str()):
            return value
        case (FieldType.CHECKBOX, bool()):
            return value
        case (FieldType.NUMBER, int() | float()) if not isinstance(value, bool):
            return value
        case (FieldType.DATE_TIME, str()) if parsed := _date(value):
            return stamp(parsed)
    raise errors.wrong_value(field.name)


def _cast(field: Field, value: object) -> object:
    """Airtable's "best-effort automatic data conversion"; what cannot be converted empties the cell."""
    match field.type:
        case FieldType.TEXT | FieldType.LONG_TEXT | FieldType.SELECT:
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        case FieldType.CHECKBOX:
            return value if isinstance(value, bool) else str(value).lower() in {"1", "true", "checked", "yes"}
        case FieldType.NUMBER if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                return None
        case FieldType.DATE_TIME if not (isinstance(value, str) and _date(value)):
            return None
    return value


def _date(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _links(field: Field, value: object, exists: Exists) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise errors.wrong_value(field.name)
    for record_id in value:
        if not exists(field.links_to, record_id):
            raise errors.no_row(record_id)
    return tuple(dict.fromkeys(value))


def _attachments(field: Field, value: object, present: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The array replaces the cell's: those named by id stay, and each url makes a new attachment with a new id."""
    if not isinstance(value, list):
        raise errors.wrong_attachment(field.name)
    return tuple(_attachment(field, one, present) for one in value)


def _attachment(field: Field, value: object, present: Sequence[Attachment]) -> Attachment:
    refused: ApiError = errors.wrong_attachment(field.name)
    if not isinstance(value, Mapping):
        raise refused
    if "id" in value:
        kept = next((one for one in present if one.id == value["id"]), None)
        if kept is None:
            raise refused
        return kept
    url, filename = value.get("url"), value.get("filename")
    if not isinstance(url, str) or not isinstance(filename, str | None):
        raise refused
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise refused from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refused
    return Attachment(new_id("att"), filename or unquote(PurePosixPath(parts.path).name) or "file", url)
