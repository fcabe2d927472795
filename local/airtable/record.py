"""A record as it is stored: cells by field id, what is in a cell, and when each was last written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Fetch(StrEnum):
    """How far an attachment's fetch from its URL has come."""

    PENDING = "pending"
    KEPT = "kept"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a cell; size, type and path are empty until it is kept."""

    id: str
    filename: str
    source: str
    state: Fetch = Fetch.PENDING
    size: int | None = None
    type: str = ""
    path: Path | None = None


# Dates are text, as Airtable writes them; links are record ids. An empty cell is not there.
Cell = str | int | float | bool | tuple[str, ...] | tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One row; `modified` tells when a user last wrote each field, by field id."""

    id: str
    created_at: datetime
    cells: Mapping[str, Cell]
    modified: Mapping[str, datetime]

    def attachments(self, field_id: str) -> tuple[Attachment, ...]:
        """The files in this cell."""
        cell = self.cells.get(field_id)
        return tuple(one for one in cell if isinstance(one, Attachment)) if isinstance(cell, tuple) else ()

    def links(self, field_id: str) -> tuple[str, ...]:
        """The record ids in this cell."""
        cell = self.cells.get(field_id)
        return tuple(one for one in cell if isinstance(one, str)) if isinstance(cell, tuple) else ()
