"""What a base is made of: tables, fields and their types, select options, and Airtable's kind of ids."""

import hashlib
import random
import string
from dataclasses import dataclass, replace
from enum import StrEnum

_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 17


class FieldType(StrEnum):
    """The types of https://airtable.com/developers/web/api/field-model that matter here."""

    TEXT = "singleLineText"
    LONG_TEXT = "multilineText"
    SELECT = "singleSelect"
    ATTACHMENTS = "multipleAttachments"
    LINKS = "multipleRecordLinks"
    NUMBER = "number"
    CHECKBOX = "checkbox"
    DATE_TIME = "dateTime"
    CREATED_TIME = "createdTime"
    LAST_MODIFIED_TIME = "lastModifiedTime"
    FORMULA = "formula"


COMPUTED = frozenset({FieldType.CREATED_TIME, FieldType.LAST_MODIFIED_TIME, FieldType.FORMULA})
_TIME = {
    "timeZone": "utc",
    "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
    "timeFormat": {"name": "24hour", "format": "HH:mm"},
}


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select field."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """A column; `locked` ones may be read but not written by the token, `formula` is empty but for formula fields."""

    id: str
    name: str
    type: FieldType
    options: tuple[Option, ...] = ()
    links_to: str = ""
    formula: str = ""
    locked: bool = False

    @property
    def computed(self) -> bool:
        """Whether its values are Airtable's own."""
        return self.type in COMPUTED

    def option(self, name: str) -> Option | None:
        """The choice of this name."""
        return next((option for option in self.options if option.name == name), None)

    def described(self) -> dict[str, object]:
        """The field as the schema of a base shows it."""
        options: dict[FieldType, dict[str, object]] = {
            FieldType.SELECT: {"choices": [{"id": one.id, "name": one.name, "color": "blueLight2"} for one in self.options]},
            FieldType.ATTACHMENTS: {"isReversed": False},
            FieldType.LINKS: {"linkedTableId": self.links_to, "isReversed": False, "prefersSingleRecordLink": False},
            FieldType.NUMBER: {"precision": 2},
            FieldType.CHECKBOX: {"icon": "check", "color": "greenBright"},
            FieldType.DATE_TIME: dict(_TIME),
            FieldType.CREATED_TIME: {"result": {"type": "dateTime", "options": _TIME}},
            FieldType.LAST_MODIFIED_TIME: {
                "isValid": True,
                "referencedFieldIds": [],
                "result": {"type": "dateTime", "options": _TIME},
            },
            FieldType.FORMULA: {"isValid": True, "formula": self.formula, "referencedFieldIds": [], "result": None},
        }
        shown = options.get(self.type)
        return {"id": self.id, "name": self.name, "type": self.type.value, **({"options": shown} if shown else {})}


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first field is the primary one, by which links show a record."""

    id: str
    name: str
    fields: tuple[Field, ...]

    def field(self, name_or_id: str) -> Field | None:
        """The field of this name or id."""
        return next((field for field in self.fields if name_or_id in (field.name, field.id)), None)

    def having(self, field: Field) -> "Table":
        """The table with this field, in the place of the one with the same id or at the end."""
        if any(one.id == field.id for one in self.fields):
            return replace(self, fields=tuple(field if one.id == field.id else one for one in self.fields))
        return replace(self, fields=(*self.fields, field))

    def lacking(self, field: Field) -> "Table":
        """The table without this field."""
        return replace(self, fields=tuple(one for one in self.fields if one.id != field.id))

    def described(self) -> dict[str, object]:
        """The table as the schema of a base shows it."""
        fields = [field.described() for field in self.fields]
        view = {"id": stable_id("viw", self.id), "name": "Grid view", "type": "grid"}
        return {"id": self.id, "name": self.name, "primaryFieldId": self.fields[0].id, "fields": fields, "views": [view]}


def new_id(prefix: str) -> str:
    """An id nobody has."""
    return prefix + "".join(random.choices(_ALPHABET, k=_ID_LENGTH - len(prefix)))


def stable_id(prefix: str, *names: str) -> str:
    """The same id for the same names, so that a base keeps its ids from run to run."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return prefix + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[: _ID_LENGTH - len(prefix)])
